"""Run the Python blocks of one page, in order, and write down what each of them shows.

``python run_page.py BLOCKS.json FOLDER`` reads a list of blocks and leaves FOLDER with
``shown.json``, one list of outputs per block, and the figures as PNG files. It runs in
a process of its own, with warnings as errors: pages do not depend on each other.

A block shows what it prints, the value of its last line as a notebook would, and the
figures that it leaves open. What goes to the standard error, where libraries log, is
left to the reports of failures. Values without words of their own are left out: fitted
estimators, and objects whose text is an address in memory.
"""

import ast
import io
import json
import linecache
import re
import sys
import time
import types
import warnings
from contextlib import redirect_stdout
from pathlib import Path

# What other libraries warn about when they are used as their own pages say.
NOT_OURS = (
    "OptunaSearchCV is experimental",
    ".optuna.terminator. module has been deprecated",
    "The set_.* function will be deprecated",  # shap
    "The ``noload`` loader strategy",  # MLflow
    ".*Any type hint is inferred as AnyType",  # MLflow
)
# A block that imports one of these is left out, with a note, where it is not installed.
OPTIONAL = {
    *("aeon", "dask", "distributed", "imblearn", "lightgbm", "mapie", "mlflow"),
    *("onnx", "onnxruntime", "skl2onnx"),
    *("optuna", "optuna_integration", "shap", "skops", "skrub", "sktime", "xgboost"),
}
# Legible on a phone, which shows 350 of these 480 pixels, and sharp on any screen.
STYLE = {
    "figure.figsize": (4.8, 3.2),
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "font.size": 11,
    "figure.constrained_layout.use": True,
    "legend.fontsize": "small",
}


def shown_text(raw):
    """The text as a terminal shows it: a line begun again replaces what stood there."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in raw.split("\n")]
    return "\n".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in lines)


def shown_value(value):
    """The output of a value on a last line, or None for one that says nothing."""
    if value is None or hasattr(value, "get_params"):
        return None
    if hasattr(value, "_repr_html_"):
        return {"kind": "html", "html": value._repr_html_()}
    text = repr(value)
    if re.search(r"\bat 0x[0-9a-f]+>", text):
        return None
    return {"kind": "text", "text": text}


def words_of(figure):
    """An alternative text from the words on a figure, for one that has none."""
    parts = [figure.get_suptitle()]
    for axes in figure.axes:
        x, y = axes.get_xlabel(), axes.get_ylabel()
        named = f"{y} against {x}" if x and y else y or x
        lines = [text for text in axes.get_legend_handles_labels()[1] if text[0] != "_"]
        parts += [axes.get_title(), named, ", ".join(lines)]
    return "; ".join(dict.fromkeys(filter(None, parts)))


def shown_figures(folder, block):
    """Write the open figures as files, close them and return their outputs."""
    if "matplotlib.pyplot" not in sys.modules:
        return []
    import matplotlib.pyplot as plt

    found = []
    for number in plt.get_fignums():
        figure = plt.figure(number)
        name = f"{block}-{len(found)}.png"
        figure.savefig(folder / name, metadata={"Software": None})
        width = round(figure.get_figwidth() * 100)
        words = words_of(figure)
        found.append({"kind": "figure", "file": name, "width": width, "words": words})
    plt.close("all")
    return found


def run_block(source, name, namespace):
    """Execute one block; returns the value of its last line if it is an expression."""
    linecache.cache[name] = len(source), None, source.splitlines(True), name
    tree = ast.parse(source, name)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, name, "exec"), namespace)
    return eval(compile(last, name, "eval"), namespace) if last else None


def run(blocks, folder):
    """Outputs of every block, in order; the first error ends the run."""
    page = types.ModuleType("__main__")
    sys.modules["__main__"] = page  # where pickles look for a class of the page
    shown = []
    for k, source in enumerate(blocks):
        stream, start = io.StringIO(), time.perf_counter()
        outputs, value, absent = [], None, None
        with redirect_stdout(stream):
            try:
                value = run_block(source, f"<block {k + 1}>", page.__dict__)
            except ModuleNotFoundError as error:
                absent = error.name.split(".")[0]
                if absent not in OPTIONAL:
                    raise
        if text := shown_text(stream.getvalue()).strip("\n"):
            outputs.append({"kind": "text", "text": text})
        if absent:
            outputs.append({"kind": "absent", "module": absent})
        if value := shown_value(value):
            outputs.append(value)
        outputs += shown_figures(folder, k)
        shown.append({"seconds": time.perf_counter() - start, "outputs": outputs})
    return shown


def main(blocks, folder):
    """Run the blocks of a file and write what they show."""
    folder = Path(folder).resolve()
    sources = json.loads(Path(blocks).read_text(encoding="utf-8"))
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams.update(STYLE)
    warnings.simplefilter("error")
    for message in NOT_OURS:
        warnings.filterwarnings("ignore", message)
    shown = run(sources, folder)
    (folder / "shown.json").write_text(json.dumps(shown, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

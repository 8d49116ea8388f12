"""The gallery by task; it runs again when the package changed; warnings fail it."""

import re
import shutil
import warnings
from pathlib import Path

from executed_pages import fingerprint
from run_page import words_of
from sphinx_gallery.scrapers import matplotlib_scraper

# Scripts of each task, in the order of their tiles. One that is named nowhere stands at
# the end of the gallery.
TASKS = {
    "Forecast": (
        *("first_forecast", "future", "quantiles", "known_future", "window_length"),
        *("nested_cv", "stock_returns"),
    ),
    "Classify and label": ("speakers", "label_every_row", "missing_values", "text"),
    "Write": ("transcribe_tones", "dates"),
    "Detect": ("anomalies",),
    "Live": ("live",),
    "Deploy": ("daily_life", "onnx", "export_c"),
    "Scale": ("panel",),
    "Understand": ("gates", "attention", "cells", "next_character", "callback"),
}
NAMED = [name for names in TASKS.values() for name in names]
HEADER = """:html_theme.sidebar_secondary.remove:

Examples
========

Scripts that run as they are, on data that ships with the package. Each can be
downloaded as a notebook from the end of its page. The pages of the API link to the
examples that use a class.

"""


def name_of(path):
    """The name of a script without what all of them share."""
    return Path(path).stem.removeprefix("plot_")


def place(path):
    """The place of a script among the tiles of its task."""
    name = name_of(path)
    return (NAMED.index(name), name) if name in NAMED else (len(NAMED), name)


def index_page(scripts):
    """The page of tiles, by task; `scripts` are the paths of all examples."""
    rest = [name for name in map(name_of, scripts) if name not in NAMED]
    parts = [HEADER]
    for task, names in {**TASKS, "More": rest}.items():
        if names:
            tiles = "".join(f"   ../examples/plot_{name}.py\n" for name in names)
            parts.append(f"{task}\n{'-' * len(task)}\n\n.. minigallery::\n\n{tiles}\n")
    pages = "".join(f"   /auto_examples/{Path(path).stem}\n" for path in scripts)
    return "".join([*parts, f".. toctree::\n   :hidden:\n\n{pages}"])


def write_index(app):
    """Replace the page that sphinx-gallery wrote, whose tiles stand in one heap."""
    examples = Path(app.srcdir).parent / "examples"
    scripts = sorted(examples.glob("plot_*.py"), key=place)
    index = Path(app.srcdir) / "auto_examples" / "index.rst"
    index.write_text(index_page(scripts), encoding="utf-8")


def scrape(block, block_vars, gallery_conf):
    """Save the open figures, with the words on them as their alternative texts.

    sphinx-gallery takes the title, or the name of the script where there is none.
    """
    import matplotlib.pyplot as plt

    figures = [plt.figure(number) for number in plt.get_fignums()]
    words = iter([" ".join(words_of(figure).split()) for figure in figures])
    text = matplotlib_scraper(block, block_vars, gallery_conf)
    return re.sub(r":alt: (.*)", lambda old: f":alt: {next(words) or old[1]}", text)


def no_warnings(gallery_conf, script):
    """Make warnings of the next example errors, as a reader should not meet them."""
    for category in (UserWarning, FutureWarning):
        warnings.simplefilter("error", category)


def forget_old_runs(app):
    """Remove what was made from another version of the package or of a library.

    sphinx-gallery itself looks only at the scripts.
    """
    import sklearn_gru

    made = Path(app.srcdir) / "auto_examples"
    stamp = made / "environment.txt"
    environment = f"{app.config.run_pages} "
    environment += fingerprint(Path(sklearn_gru.__file__).parent)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == environment:
        return
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    stamp.write_text(environment, encoding="utf-8")


def setup(app):
    """Look before sphinx-gallery does, and write after it."""
    app.connect("builder-inited", forget_old_runs, priority=90)
    app.connect("builder-inited", write_index, priority=900)
    return {"parallel_read_safe": True}

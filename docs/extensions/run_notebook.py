"""Run a page of the course as a notebook and write down what its cells show.

``python run_notebook.py NOTEBOOK.ipynb FOLDER`` runs the cells in a new kernel of
Jupyter, keeps their outputs in the notebook, and leaves FOLDER with ``shown.json`` and
the figures, as `run_page.py` does for other pages. Cells show what Jupyter shows: also
progress bars and the HTML representations of estimators. An error or a warning ends it.
"""

import base64
import json
import os
import re
import struct
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from run_page import STYLE, shown_text


class Client(NotebookClient):
    """A client that keeps how long each cell took."""

    def __init__(self, notebook, **options):
        options |= {"kernel_name": "python3", "timeout": 600, "coalesce_streams": True}
        super().__init__(notebook, **options)
        self.seconds = {}

    async def async_execute_cell(self, cell, cell_index, **options):
        """Run one cell."""
        began = time.perf_counter()
        cell = await super().async_execute_cell(cell, cell_index, **options)
        self.seconds[cell_index] = time.perf_counter() - began
        return cell


def execute(notebook, folder):
    """Run the cells in a kernel that works in a folder; returns their seconds."""
    style = Path(folder) / "matplotlibrc"
    values = {**STYLE, "figure.dpi": STYLE["savefig.dpi"]}.items()
    lines = [f"{name}: {str(value).strip('()')}\n" for name, value in values]
    style.write_text("".join(lines), encoding="utf-8")
    client = Client(notebook, resources={"metadata": {"path": str(folder)}})
    env = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    client.execute(env=env | {"MATPLOTLIBRC": str(style)})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day
    return client.seconds


def shown_figure(data, folder, name):
    """Write a figure as a file and return its output; the page has words for it."""
    png = base64.b64decode(data)
    (folder / name).write_bytes(png)
    (width,) = struct.unpack(">I", png[16:20])
    width = round(width * STYLE["figure.dpi"] / STYLE["savefig.dpi"])
    return {"kind": "figure", "file": name, "width": width, "words": ""}


def shown_output(output, folder, name):
    """One output of a cell, or None for one that says nothing."""
    if output.output_type == "stream":
        text = shown_text(output.text).strip("\n")
        if output.name == "stderr" and re.search(r"\w+Warning:", text):
            raise RuntimeError(text)
        return {"kind": "text", "text": text} if text else None
    if "image/png" in output.data:
        return shown_figure(output.data["image/png"], folder, name)
    if "text/html" in output.data:
        return {"kind": "html", "html": output.data["text/html"]}
    text = output.data["text/plain"]
    hides = re.search(r"\bat 0x[0-9a-f]+>|^<Figure size", text)
    return None if hides else {"kind": "text", "text": text}


def shown_cell(cell, folder, number):
    """The outputs of one cell, in order."""
    found = [
        shown_output(output, folder, f"{number}-{place}.png")
        for place, output in enumerate(cell.outputs)
    ]
    return [output for output in found if output]


def main(source, folder):
    """Run the notebook of a file and write what it shows."""
    folder = Path(folder).resolve()
    notebook = nbformat.read(source, as_version=4)
    seconds = execute(notebook, Path.cwd())
    nbformat.write(notebook, source)
    shown = [
        {"seconds": seconds[k], "outputs": shown_cell(cell, folder, k)}
        for k, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
    ]
    (folder / "shown.json").write_text(json.dumps(shown, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

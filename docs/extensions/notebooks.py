"""Sphinx extension that offers the pages of the course as notebooks.

A page in the folder `course` is written like any other. Its blocks of code become
cells, the text between them Markdown cells whose links lead to the site.
`executed_pages` runs it in a kernel of Jupyter (`run_notebook.py`) and shows what its
cells showed. The site offers the notebook with these outputs; the sources hold the page
alone.
"""

import hashlib
import json
import posixpath
import re
from pathlib import Path

from docutils import nodes

from sklearn_gru._support.estimator import version_of_pages

SITE = f"https://sklearn-gru.readthedocs.io/en/{version_of_pages()}/"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def is_notebook(name):
    """Whether the page of this name is also a notebook."""
    return re.fullmatch(r"course/\d_\w+", name) is not None


def plain_markdown(text, name):
    """The text of a page as Jupyter reads it: without roles or links to pages."""

    def to_site(link):
        path, mark, anchor = link[2].partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        return f"[{link[1]}]({SITE}{path.removesuffix('.md')}.html{mark}{anchor})"

    text = re.sub(r"^%.*\n", "", text, flags=re.M)  # alternative texts of figures
    text = re.sub(r"\{\w+\}`~?(?:\w+\.)*(\w+)`", r"`\1`", text)
    return re.sub(r"\[([^\]]+)\]\(((?!\w+:)[^)\s]+)\)", to_site, text).strip()


def make_cell(kind, source, key):
    """A cell of a notebook, whose id is the same in every build."""
    made = {"id": hashlib.sha256(key.encode()).hexdigest()[:8], "cell_type": kind}
    made |= {"metadata": {}, "source": source.rstrip("\n")}
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def to_notebook(text, name):
    """The notebook of a page, without outputs."""
    cells = []
    for number, part in enumerate(BLOCK.split(text)):
        is_code = number % 2 == 1
        if source := part if is_code else plain_markdown(part, name):
            kind = "code" if is_code else "markdown"
            cells.append(make_cell(kind, source, f"{name} {number}"))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def offer(app, doctree):
    """Put the link to the notebook below the title of its page."""
    name = app.env.docname
    if not is_notebook(name):
        return
    file = f"{posixpath.basename(name)}.ipynb"
    link = f'<a href="{file}" download>Download this page as a notebook</a>'
    (title, *_) = doctree.findall(nodes.title)
    place = title.parent.index(title) + 1
    link = nodes.raw("", f'<p class="notebook-link">{link}</p>', format="html")
    title.parent.insert(place, link)


def write_notebooks(app, error):
    """Write the notebooks beside their pages, with their outputs if they were run."""
    if error or app.builder.format != "html":
        return
    for name in filter(is_notebook, app.env.found_docs):
        run = app.executed_pages.get(name)
        if run is None:
            page = Path(app.env.doc2path(name)).read_text(encoding="utf-8")
            text = json.dumps(to_notebook(page, name), indent=1)
        else:
            text = run.source_file.read_text(encoding="utf-8")
        file = Path(app.outdir) / f"{name}.ipynb"
        file.write_text(text, encoding="utf-8")


def setup(app):
    """Offer when a page is read; write when the site is there."""
    app.connect("doctree-read", offer, priority=200)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True}

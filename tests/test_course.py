"""The notebooks of the course, made from their pages and run as Jupyter runs them."""

import re

import nbformat
import pytest
from notebooks import SITE, plain_markdown, to_notebook  # docs/extensions
from run_notebook import execute, shown_cell

from tests.pages import ROOT

PAGES = sorted((ROOT / "docs" / "course").glob("[0-9]_*.md"))
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def notebook_of(page):
    """The notebook of a page, in the format of Jupyter, without outputs."""
    made = to_notebook(page.read_text(encoding="utf-8"), f"course/{page.stem}")
    notebook = nbformat.from_dict(made)
    nbformat.validate(notebook)
    return notebook


BAR = re.compile(r"GRU\w+ \(\w+\): 100%\|█+\| (\d+)/\1 .*loss=")
MARKUP = re.compile(r"<(style|script)>.*?</\1>|<[^>]+>", re.S)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_notebook_runs(page, tmp_path):
    """No error or warning; figures have words; numbers of the text are shown."""
    notebook = notebook_of(page)
    execute(notebook, tmp_path)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [shown_cell(cell, tmp_path, k) for k, cell in enumerate(cells)]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    figures = sum(out["kind"] == "figure" for shown in outputs for out in shown)
    alternatives = re.findall(r"^% alt: .{20,}$", page.read_text(), re.M)
    assert figures == len(alternatives) > 0

    texts = [out.get("text", "") + out.get("html", "") for s in outputs for out in s]
    assert any("sk-estimator" in text for text in texts)
    assert any(map(BAR.search, texts)) or page == PAGES[1]  # a search has no bar

    seen = [cell.source for cell in cells] + [MARKUP.sub(" ", text) for text in texts]
    there = set(NUMBER.findall(" ".join(seen)))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            words = re.sub(r"^#.*|^\d\. |\]\([^)]*\)", "", cell.source, flags=re.M)
            assert set(NUMBER.findall(words)) <= there, cell.source


def test_the_course_is_complete():
    """Four notebooks, each listed on the page of the course."""
    index = (ROOT / "docs" / "course" / "index.md").read_text(encoding="utf-8")
    assert [page.stem[0] for page in PAGES] == ["1", "2", "3", "4"]
    for page in PAGES:
        assert index.count(page.stem) == 2  # in the table and in the tree


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_notebook_stands_alone(page):
    """Its text has no roles, and its links lead to the site."""
    notebook = notebook_of(page)
    assert sum(cell.cell_type == "code" for cell in notebook.cells) > 8
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"\{\w+\}`|^% |^:::|^```", cell.source, re.M)
            for link in re.findall(r"\]\((.*?)\)", cell.source):
                assert link.startswith(SITE)


def test_links_and_roles_become_plain_markdown():
    """Relative links are those of the site; classes are named by their last part."""
    text = "See {class}`~sklearn_gru.live.Stream`, [this](../user_guide/live.md#x),\n"
    text += (
        "[that](2_validation.md) and [sk](https://scikit-learn.org).\n% alt: Words.\n"
    )
    assert plain_markdown(text, "course/1_forecast") == (
        f"See `Stream`, [this]({SITE}user_guide/live.html#x),\n"
        f"[that]({SITE}course/2_validation.html) and [sk](https://scikit-learn.org)."
    )


def test_a_warning_ends_the_build():
    """What a cell writes to the standard error is shown, unless it is a warning."""
    bar = nbformat.v4.new_output("stream", name="stderr", text="1/2\r2/2\n")
    said = nbformat.v4.new_output("stream", name="stderr", text="a.py: UserWarning: b")
    cell = nbformat.v4.new_code_cell("", outputs=[bar])
    assert shown_cell(cell, None, 0) == [{"kind": "text", "text": "2/2"}]
    cell.outputs.append(said)
    with pytest.raises(RuntimeError, match="UserWarning: b"):
        shown_cell(cell, None, 0)

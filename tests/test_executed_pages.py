"""Pages that show what their code prints: `docs/extensions`, on pages made up here."""

import subprocess
import sys

import pytest
from shown_numbers import unshown_numbers  # docs/extensions

from tests.pages import ROOT

pytest.importorskip("sphinx")
pytest.importorskip("myst_parser")

CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "docs" / "extensions")!r})
extensions = ["myst_parser", "executed_pages"]
"""
PAGE = """# Page

```python
import pandas as pd
print("first", 1 + 1)
frame = pd.DataFrame({"load": [1.5, 2.5]})
frame
```

```python
import matplotlib.pyplot as plt
plt.plot(frame["load"], label="observed")
plt.xlabel("hour")
plt.ylabel("load");
```

% alt: A parabola.

```python
plt.plot([1, 0, 1])
object()
```

```python
import sktime.nothing
```
"""


class Site:
    """A site of one page and a way to build it."""

    def __init__(self, folder):
        self.folder = folder
        self.page = folder / "index.md"
        (folder / "conf.py").write_text(CONF)

    def build(self, *options):
        """Build it; returns the finished process."""
        command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", *options]
        folders = [str(self.folder), str(self.folder / "_build" / "html")]
        return subprocess.run(
            [*command, *folders], capture_output=True, text=True, cwd=ROOT, check=False
        )

    def html(self):
        """The page as it was built."""
        return (self.folder / "_build" / "html" / "index.html").read_text()


@pytest.fixture
def site(tmp_path):
    """A site whose page is still to be written."""
    return Site(tmp_path)


@pytest.mark.slow
def test_outputs_stand_below_their_blocks(site):
    """Texts, tables and figures, in order; what is not changed is not run again."""
    site.page.write_text(PAGE)
    done = site.build()
    assert done.returncode == 0, done.stderr
    assert "running 1 pages, 0 unchanged" in done.stdout
    html = site.html()
    shown = ["first 2", "<td>2.5</td>", "load against hour; observed", "A parabola."]
    places = [html.index(text) for text in [*shown, "sktime was not installed"]]
    assert places == sorted(places)
    assert "object at 0x" not in html
    assert len(list((site.folder / "_build" / "html" / "_images").iterdir())) == 2

    again = site.build()
    assert "running 0 pages, 1 unchanged" in again.stdout
    site.page.write_text(PAGE.replace("1 + 1", "1 + 2"))
    changed = site.build()
    assert "running 1 pages, 0 unchanged" in changed.stdout
    assert "first 3" in site.html()

    without = site.build("-D", "run_pages=0")
    assert without.returncode == 0, without.stderr
    assert "first 3" not in site.html()


WRONG = {
    "error": ("1 / 0", "ZeroDivisionError"),
    "warning": ("import warnings\nwarnings.warn('careful')", "UserWarning: careful"),
    "library": ("import no_such_library", "No module named 'no_such_library'"),
}


@pytest.mark.slow
def test_code_that_fails_fails_the_build(site):
    """All pages with an error, a warning or a misspelled library are reported."""
    site.page.write_text("# Page\n")
    for name, (code, _) in WRONG.items():
        page = site.folder / f"{name}.md"
        page.write_text(f"# {name}\n\n```python\n{code}\n```\n")
    done = site.build()
    assert done.returncode != 0
    for name, (_, said) in WRONG.items():
        assert f"{name}.md does not run" in done.stderr
        assert said in done.stderr


@pytest.mark.slow
def test_a_figure_without_words_fails_the_build(site):
    """It needs labels, or a line above its block."""
    code = "import matplotlib.pyplot as plt\nplt.plot([1])"
    site.page.write_text(f"# Page\n\n```python\n{code}\n```\n")
    done = site.build()
    assert done.returncode != 0
    assert "a figure without words" in done.stderr


def test_progress_bars_are_shown_as_they_end():
    """A line that is begun again replaces what stood there; colors are left out."""
    import run_page

    assert run_page.shown_text("1/3\r2/3\r3/3\nnext\x1b[1m!\x1b[0m\r") == "3/3\nnext!"


@pytest.mark.parametrize(
    ("text", "unshown"),
    [
        ("R2 rises to .895.", []),
        ("R2 rises to 0.895, from .812.", [".812"]),
        ("| R2 | .812 |\n\nThe table has .812.", []),
        ("```python\nx = 0.125\n```\n\nWith 0.125 it is fast.", []),
        ("Set 0.5, or version 3.17.2, as [Vovk](https://x.org/10.1145/1) says.", []),
        ("By 1.25 times (0.05 s).", ["1.25", "0.05"]),
    ],
)
def test_numbers_of_sentences_that_nothing_prints_are_found(text, unshown):
    assert unshown_numbers(text, "score 0.895") == unshown


def test_a_number_that_nothing_prints_fails_the_build(tmp_path):
    site = Site(tmp_path)
    site.page.write_text("# Page\n\nR2 is 0.895.\n\n```python\nprint(0.812)\n```\n")
    done = site.build()
    assert done.returncode
    assert "index.md: nothing prints 0.895" in done.stderr

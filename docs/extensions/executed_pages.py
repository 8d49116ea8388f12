"""Sphinx extension that runs the Python blocks of Markdown pages and shows the outputs.

Each page with ```` ```python ```` blocks runs once, in a process of its own
(`run_page.py`), before the pages are read. What its blocks show is kept in
``_build/pages`` under a key of the blocks, of the sources of the package and of every
installed distribution, so that an unchanged page is not run again. A block that fails
fails the build.

A comment right above a block gives its figure an alternative text::

    % alt: Observed and predicted bikes of the last week.

Without one, the text is made from the words on the figure. ``DOCS_RUN=0`` leaves pages
without outputs. Pages of the course are run as notebooks, in a kernel of Jupyter, and
show what Jupyter shows (`notebooks`).
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from pathlib import Path

from docutils import nodes
from notebooks import is_notebook, to_notebook
from shown_numbers import MEASURED, unshown_numbers
from sphinx.errors import ExtensionError
from sphinx.util import logging

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # one page per core
    "SCIPY_ARRAY_API": "1",  # asked for by scikit-learn's array API
    "COLUMNS": "96",  # of progress bars
}
HERE = Path(__file__).parent
RUNNERS = [HERE / "run_page.py", HERE / "run_notebook.py"]
LOG = logging.getLogger(__name__)


def blocks(path):
    """Python blocks of a Markdown page, in order."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def fingerprint(package):
    """A hash of what outputs depend on besides their page: sources and libraries."""
    digest = hashlib.sha256(sys.version.encode())
    for path in [*RUNNERS, *sorted(package.rglob("*"))]:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.name.encode() + path.read_bytes())
    names = {f"{found.name} {found.version}" for found in distributions()}
    digest.update("\n".join(sorted(names)).encode())
    return digest.hexdigest()


class Run:
    """The outputs of one page: where they are kept, and whether they are there."""

    def __init__(self, name, path, cache, environment):
        self.name = name
        self.blocks = blocks(path)
        self.runner, file = RUNNERS[is_notebook(name)], "blocks.json"
        self.source = json.dumps(self.blocks)
        if is_notebook(name):
            file = "notebook.ipynb"
            self.source = json.dumps(to_notebook(path.read_text("utf-8"), name))
        key = hashlib.sha256((environment + self.source).encode())
        self.folder = cache / name / key.hexdigest()[:16]
        self.source_file = self.folder / file

    @property
    def done(self):
        """Whether the outputs are there."""
        return (self.folder / "shown.json").exists()

    def outputs(self):
        """A list of outputs for each block."""
        text = (self.folder / "shown.json").read_text(encoding="utf-8")
        return [block["outputs"] for block in json.loads(text)]

    def seconds(self):
        """How long the blocks took."""
        text = (self.folder / "shown.json").read_text(encoding="utf-8")
        return sum(block["seconds"] for block in json.loads(text))

    def execute(self):
        """Run the blocks; returns what went wrong, or an empty text."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)  # an older page, or half
        self.folder.mkdir(parents=True)
        self.source_file.write_text(self.source, encoding="utf-8")
        with tempfile.TemporaryDirectory() as elsewhere:
            done = subprocess.run(
                [sys.executable, self.runner, self.source_file, self.folder],
                cwd=elsewhere,
                env={**ENVIRONMENT, **os.environ},
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode == 0:
            return ""
        return f"{self.name}.md does not run:\n{done.stderr.strip()}"


def run_pages(app):
    """Run what is not in the cache, as many pages at a time as there are cores."""
    app.executed_pages = {}
    if not app.config.run_pages:
        return
    import sklearn_gru

    environment = fingerprint(Path(sklearn_gru.__file__).parent)
    cache = Path(app.srcdir) / "_build" / "pages"
    for name in sorted(app.project.discover(app.config.exclude_patterns)):
        path = Path(app.project.doc2path(name, absolute=True))
        if path.suffix == ".md" and blocks(path):
            app.executed_pages[name] = Run(name, path, cache, environment)
    waiting = [run for run in app.executed_pages.values() if not run.done]
    waiting.sort(key=lambda run: -len(run.blocks))
    LOG.info("running %d pages, %d unchanged", len(waiting), len(cached_of(app)))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        wrong = [text for text in threads.map(Run.execute, waiting) if text]
    if wrong:
        raise ExtensionError("\n\n".join(wrong))
    check_numbers(app)
    for run in waiting:
        LOG.info("%s.md ran in %.0f s", run.name, run.seconds())


def check_numbers(app):
    """Refuse sentences with numbers that neither their page nor a benchmark prints."""
    source = Path(app.srcdir)
    measured = [source / f"{name}.md" for name in MEASURED]
    measured = [path.read_text("utf-8") for path in measured if path.exists()]
    wrong = []
    for name, run in app.executed_pages.items():
        outputs = [out for shown in run.outputs() for out in shown]
        texts = [out.get("text", "") + out.get("html", "") for out in outputs]
        text = (source / f"{name}.md").read_text("utf-8")
        if numbers := unshown_numbers(text, "\n".join([*measured, *texts])):
            wrong.append(f"{name}.md: nothing prints {', '.join(numbers)}")
    if wrong:
        raise ExtensionError("\n".join(wrong))


def cached_of(app):
    """Pages whose outputs are there."""
    return [run for run in app.executed_pages.values() if run.done]


def outdated(app, env, added, changed, removed):
    """Pages that were last written with other outputs, or without."""
    folders = {name: str(run.folder) for name, run in app.executed_pages.items()}
    shown = getattr(env, "shown_outputs", {})
    env.shown_outputs = folders
    both = folders.keys() | shown.keys()
    return [
        name
        for name in both & env.found_docs
        if folders.get(name) != shown.get(name) and name not in added
    ]


def text_node(output):
    """A text as it was printed."""
    node = nodes.literal_block(output["text"], output["text"], language="text")
    node["classes"].append("output-text")
    if "  " not in output["text"]:  # a sentence; columns would lose their places
        node["classes"].append("output-wrapped")
    return node


def html_node(output):
    """A table, or what else has an HTML representation, which scrolls if it is wide."""
    html = re.sub(r"<style scoped>.*?</style>", "", output["html"], flags=re.S)
    html = html.replace(' border="1"', "").replace('style="text-align: right;"', "")
    return nodes.raw("", f'<div class="output-html">{html}</div>', format="html")


def absent_node(output):
    """A note in the place of the outputs of a block whose library is not installed."""
    words = f"Not run here: the library {output['module']} was not installed."
    return nodes.paragraph(words, words, classes=["output-absent"])


def figure_node(output, folder, words):
    """A figure with its alternative text."""
    if not words:
        raise ExtensionError(
            f"{folder}/{output['file']}: a figure without words. Label its axes, or "
            "write a line '% alt: what it shows' above its block."
        )
    return nodes.image(
        uri=f"/{folder}/{output['file']}",
        alt=words,
        width=f"{output['width']}px",
        classes=["output-figure"],
    )


def given_words(block):
    """Alternative texts in comments right above a block, one per figure."""
    above = block.parent[: block.parent.index(block)]
    found = []
    while above and isinstance(above[-1], nodes.comment):
        found.insert(0, above.pop().astext())
    lines = "\n".join(found).splitlines()
    return [line.removeprefix("alt:").strip() for line in lines if line[:4] == "alt:"]


def output_nodes(block, outputs, folder):
    """Nodes of all outputs of a block, in order."""
    words = given_words(block)
    for output in outputs:
        if output["kind"] == "figure":
            alt = words.pop(0) if words else output["words"]
            yield figure_node(output, folder, alt)
        else:
            make = {"text": text_node, "html": html_node, "absent": absent_node}
            yield make[output["kind"]](output)


def blocks_on(doctree, sources):
    """Nodes of the blocks that were run; others may show code of other libraries."""
    waiting = [source.strip() for source in sources]
    for node in doctree.findall(nodes.literal_block):
        if waiting and node.astext().strip() == waiting[0]:
            waiting.pop(0)
            yield node


def show_outputs(app, doctree):
    """Put the outputs of each block below it."""
    run = app.executed_pages.get(app.env.docname)
    if run is None:
        return
    shown = list(blocks_on(doctree, run.blocks))
    if len(shown) != len(run.blocks):
        raise ExtensionError(f"{run.name}.md: not all blocks that were run are shown")
    folder = run.folder.relative_to(app.srcdir).as_posix()
    for node, outputs in zip(shown, run.outputs(), strict=True):
        found = list(output_nodes(node, outputs, folder))
        if found:
            box = nodes.container("", *found, classes=["output"])
            node.parent.insert(node.parent.index(node) + 1, box)


def setup(app):
    """Run before anything is read; show before Sphinx collects the images of a page."""
    app.add_config_value("run_pages", True, "")
    app.connect("builder-inited", run_pages, priority=100)
    app.connect("env-get-outdated", outdated)
    app.connect("doctree-read", show_outputs, priority=100)
    return {"parallel_read_safe": False}

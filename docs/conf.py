"""Configuration of the documentation; builds without a network.

The code of the pages and the gallery is run (minutes, then kept): ``DOCS_RUN=0`` leaves
that out. ``DOCS_ONLINE=1`` also links to the documentation of the libraries the package
stands on.
"""

import os
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

import sklearn_gru

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "sklearn-gru"
author = "The sklearn-gru developers"
copyright = f"2026, {author}"
version = release = sklearn_gru.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "executed_pages",
    "notebooks",
    "gallery",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = [
    "_build",
    "changes/unreleased",  # the source of changes/index.md
]
templates_path = ["_templates"]
# The docstring of an inherited method may refer to a label of scikit-learn's own pages.
suppress_warnings = ["ref.ref", "ref.term"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# The links of the HTML representations name the type of a parameter as its docstring
# writes it, and code that is copied needs straight quotes.
smartquotes = False

autosummary_generate = True
toc_object_entries_show_parents = "hide"  # "fit()" fits the sidebar, its class is known
numpydoc_show_class_members = False  # the template of a class lists its methods

run_pages = os.environ.get("DOCS_RUN") != "0"
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(^|/)(?!plot_)[^/]*\.py$",
    "plot_gallery": run_pages,
    "parallel": os.cpu_count(),
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib", "gallery.no_warnings"),
    "backreferences_dir": "generated/backreferences",
    "image_scrapers": ("gallery.scrape",),
    # Pages of code do not end each fit with a diagram, whose links are faint besides.
    "ignore_repr_types": r"sklearn",
    "doc_module": ("sklearn_gru",),
    "minigallery_sort_order": "gallery.place",
    "image_srcset": ["2x"],
    "write_computation_times": False,  # that page loads scripts from elsewhere
    "show_memory": False,
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sourcelink = False
html_domain_indices = False  # no list of modules: the API page has them
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_math_renderer = "mathml"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
# A page without pages below it needs no sidebar that would list them.
html_sidebars = {
    page.stem: []
    for page in Path(__file__).parent.glob("*.md")
    if "toctree" not in page.read_text()
} | {"changes/index": []}
html_theme_options = {
    "logo": {
        "text": project,
        "image_light": "_static/logo_light.svg",
        "image_dark": "_static/logo_dark.svg",
        "alt_text": "",  # the name stands beside it
    },
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
}

copybutton_selector = "div:not(.output-text) > div.highlight > pre"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

if os.environ.get("DOCS_ONLINE") == "1":
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "numpy": ("https://numpy.org/doc/stable/", None),
        "pandas": ("https://pandas.pydata.org/docs/", None),
        "python": ("https://docs.python.org/3/", None),
        "sklearn": ("https://scikit-learn.org/stable/", None),
        "skorch": ("https://skorch.readthedocs.io/en/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
    }


def _math(as_block):
    """Write a formula as MathML, inline or as a block."""

    def visit(translator, node):
        formula = tex2mathml(node.astext(), as_block=as_block)
        translator.body.append(
            f'<div class="formula">{formula}</div>' if as_block else formula
        )
        raise nodes.SkipNode

    return visit, None


def _make_folder_of_logos(app):
    """Make the folder that the theme copies the logos into, even if a build fails.

    It would write a file of that name, at which the next build ends.
    """
    (Path(app.outdir) / "_static").mkdir(parents=True, exist_ok=True)


def setup(app):
    """Formulas are MathML, which browsers draw by themselves.

    MathJax would be loaded from elsewhere, or add 24 MB to the site; docutils, which is
    here anyway, converts what these pages need.
    """
    app.add_html_math_renderer("mathml", _math(False), _math(True))
    app.connect("builder-inited", _make_folder_of_logos, priority=1)

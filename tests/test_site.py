"""The documentation as its readers meet it: built, and opened in a real browser."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

import sklearn_gru
from tests import site as tools
from tests.pages import PAGES, ROOT

DOCS = [page for page in PAGES if page.name != "README.md"]
WIDE, PHONE = 1280, 390


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site, once for all processes of a test run; or SITE_HTML, a built one."""
    if "SITE_HTML" in os.environ:
        return Path(os.environ["SITE_HTML"]).resolve()
    pytest.importorskip("pydata_sphinx_theme")
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "site"
    with FileLock(base / "site.lock"):
        if not folder.exists():
            folder.mkdir()
            tools.build(folder)
    return folder / "html"


@pytest.fixture(scope="session")
def pages(site):
    """What stands on each page, by its path."""
    return tools.read_pages(site)


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served."""
    with tools.served(site) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    """A headless browser; `make docs-test` insists on it."""
    if None in tools.programs():
        absent = f"the site is tested in a browser: {tools.APT}"
        if os.environ.get("SITE_TEST") == "required":
            pytest.fail(absent)
        pytest.skip(absent)
    pytest.importorskip("selenium")
    with tools.opened_browser() as browser:
        yield browser


@pytest.mark.slow
def test_every_link_leads_somewhere(pages):
    """Internal links, anchors and files exist."""
    dead = {}
    for path, page in pages.items():
        for link in {*page.links, *page.loaded}:
            if tools.is_elsewhere(link) or link.startswith("data:"):
                continue
            if wrong := tools.what_is_wrong_with(link, path, pages):
                dead[f"{path.name}: {link}"] = wrong
    assert len(pages) > 40
    assert dead == {}


ESTIMATORS = {
    "GRUClassifier": {},
    "GRUOutlierDetector": {},
    "GRURegressor": {},
    "SequenceEmbedding": {},
    "SlidingWindow": {"window_size": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_links_of_the_html_representation(site, pages, name):
    """Each leads to a page of the site, and to the text of its parameter there."""
    estimator = getattr(sklearn_gru, name)(**ESTIMATORS[name])
    links = tools.links_of(estimator._repr_html_())
    if hasattr(estimator, "_get_fitted_attr_html"):  # since scikit-learn 1.9
        assert sum("#:~:text=" in link for link in links) >= len(estimator.get_params())
    start = estimator._get_doc_link().partition("generated/")[0]
    absent = set()
    for link in links:
        assert link.startswith(start)
        path = link.removeprefix(start).partition("#")[0]
        text = tools.quoted_text(link)
        if text is not None and text not in " ".join(pages[site / path].texts):
            absent.add(text)
    assert absent == set()


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(pages):
    """Styles, scripts, fonts and pictures come with the site, which works offline."""
    loaded = {
        f"{path.name}: {address}"
        for path, page in pages.items()
        for address in page.loaded
        if tools.is_elsewhere(address)
    }
    assert loaded == set()


@pytest.mark.slow
def test_pictures_have_words(pages):
    """Every picture has an alternative text, which may be empty where it adds nothing."""
    assert {
        path.name: page.unnamed for path, page in pages.items() if page.unnamed
    } == {}


# Blocks whose library cannot be installed beside the others; `make interop` runs these
# libraries in an environment of their own.
LEFT_OUT = [
    ("user_guide/ecosystem.html", "aeon"),
    ("user_guide/ecosystem.html", "sktime"),
]


@pytest.mark.slow
def test_the_code_of_the_pages_was_run(site):
    """Every page with code shows outputs; exactly the listed blocks were left out."""
    shown = {
        path.relative_to(site).as_posix(): path.read_text(encoding="utf-8")
        for path in site.rglob("*.html")
    }
    if not any('class="output ' in html for html in shown.values()):
        assert os.environ.get("SITE_TEST") != "required"
        pytest.skip("the site was built without running its code: make docs-test")
    pages = [p.relative_to(ROOT / "docs").with_suffix(".html") for p in DOCS]
    silent = [
        p.as_posix() for p in pages if 'class="output ' not in shown[p.as_posix()]
    ]
    assert silent == []
    absent = re.compile(r"Not run here: the library (\w+) was not installed")
    left_out = [(page, name) for page in shown for name in absent.findall(shown[page])]
    assert sorted(left_out) == LEFT_OUT
    thumbnails = re.findall(r'src="(\S+thumb\S+)"', shown["auto_examples/index.html"])
    assert len(set(thumbnails)) == len(list((ROOT / "examples").glob("plot_*.py")))


@pytest.mark.slow
def test_every_notebook_can_be_downloaded(site):
    """Each page of the course offers its notebook, run from end to end or not at all."""
    pages = sorted((ROOT / "docs" / "course").glob("[0-9]_*.md"))
    for page in pages:
        html = (site / "course" / f"{page.stem}.html").read_text(encoding="utf-8")
        assert f'href="{page.stem}.ipynb" download' in html
        notebook = json.loads((site / "course" / f"{page.stem}.ipynb").read_text())
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        counts = [cell["execution_count"] for cell in cells]
        was_run = 'class="output ' in html
        assert counts == [k + 1 if was_run else None for k in range(len(cells))]
        kinds = {out["output_type"] for cell in cells for out in cell["outputs"]}
        assert kinds == (
            {"stream", "execute_result", "display_data"} if was_run else set()
        )


def test_the_charts_of_the_home_page_are_those_of_the_benchmarks():
    """Numbers on the bars, and in the alternative text, are in the benchmarks' pages.

    Matplotlib leaves each text of a chart in a comment beside its letters.
    """
    import draw_benchmarks

    seconds = [f"{value:.2f}" for value in draw_benchmarks.epoch_seconds().values()]
    tasks = draw_benchmarks.accuracies()
    percent = [f"{value:.1f}" for scores in tasks.values() for value in scores.values()]
    assert len(seconds) == 3
    assert len(percent) == 3 * len(tasks) == 24
    for theme in ("light", "dark"):
        for chart, numbers in (("speed", seconds), ("accuracy", percent)):
            file = ROOT / "docs" / "figures" / f"benchmark_{chart}_{theme}.svg"
            words = re.findall(r"<!-- ([\d.]+)", file.read_text(encoding="utf-8"))
            assert sorted(words) == sorted(numbers), (
                f"python {draw_benchmarks.__file__}"
            )
    home = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    bars = zip(draw_benchmarks.epoch_seconds(), seconds, strict=True)
    assert home.count(", ".join(f"{name} {value}" for name, value in bars)) == 2


@pytest.mark.slow
def test_every_page_in_the_browser(site, pages, address, browser):
    """No console message; legible light and dark; as wide as the window, or the phone."""
    findings = {}

    def note(page, what, found):
        if found:
            findings[f"{page}: {what}"] = found

    for path in pages:
        page = path.relative_to(site).as_posix()
        tools.set_width(browser, WIDE)
        browser.get(f"{address}/{page}")
        note(page, "console", tools.complaints(browser))
        note(page, "outputs", tools.ask(browser, "wrongOutputs"))
        note(page, "broken pictures", tools.ask(browser, "brokenPictures"))
        tools.ask(browser, "unfold")
        for theme in ("light", "dark"):
            tools.set_theme(browser, theme)
            note(page, f"faint in {theme}", tools.ask(browser, "faintTexts"))
        note(page, "light boxes in dark", tools.ask(browser, "glaringPictures"))
        for width in (WIDE, PHONE):
            tools.set_width(browser, width)
            note(page, f"wider than {width}", tools.ask(browser, "overflowing"))
    assert findings == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "among_the_first"),
    [
        ("SlidingWindow lag", "sklearn_gru.SlidingWindow"),
        ("leakage", "leak"),
        ("predict_interval", "sklearn_gru.GRURegressor"),
    ],
)
def test_search_finds_pages_that_exist(site, address, browser, query, among_the_first):
    """The search box leads to results, and each of them to a page."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    tools.set_width(browser, WIDE)
    browser.get(f"{address}/index.html")
    browser.find_element(By.CSS_SELECTOR, ".search-button__button").click()
    box = browser.find_element(By.CSS_SELECTOR, "dialog input[type=search]")
    box.send_keys(query, Keys.ENTER)
    found = "#search-results ul.search li a"
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, found))
    links = [
        link.get_attribute("href")
        for link in browser.find_elements(By.CSS_SELECTOR, found)
    ]
    there = [link.removeprefix(address + "/").split("?")[0] for link in links]
    assert any(among_the_first in link for link in there[:5]), there
    for link in there:
        assert (site / link.split("#")[0]).is_file(), link
    # By key: results that still arrive move the links, and a click would hit another place.
    browser.find_element(By.CSS_SELECTOR, found).send_keys(Keys.ENTER)
    WebDriverWait(browser, 20).until(lambda b: "search.html" not in b.current_url)
    assert tools.complaints(browser) == []


def states_of_the_package(values):
    """Gates and state at each step, by an estimator that got the weights of the page."""
    w = {name: float(value) for name, value in values.items()}
    x = np.array([w[f"x{k}"] for k in range(1, 9)])
    model = sklearn_gru.GRURegressor(
        1, standardize=False, normalization=None, linear_share=0, max_iter=1
    )
    model.fit(x.reshape(8, 1, 1), x)
    new = {
        "weight_ih_l0": [w["w_ir"], w["w_iz"], w["w_in"]],
        "weight_hh_l0": [w["w_hr"], w["w_hz"], w["w_hn"]],
        "bias_ih_l0": [w["b_r"], w["b_z"], w["b_n"]],
        "bias_hh_l0": [0, 0, 0],
        "head.weight": [1],
        "head.bias": [0],
    }
    with torch.no_grad():
        for name, parameter in model.module_.named_parameters():
            (key,) = (key for key in new if name.endswith(key))
            parameter.copy_(torch.tensor(new[key]).reshape(parameter.shape))
    gates = model.gate_activations(x.reshape(1, 8, 1))
    state = model.predict([x[: k + 1, None] for k in range(8)])
    reset, update = (np.ravel(g) for g in (gates.reset_gate, gates.update_gate))
    return np.column_stack([x, reset, update, state])


@pytest.mark.slow
def test_the_gru_to_touch(address, browser):
    """Its numbers are those of the package; arrow keys move it; other pages lack it."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    def numbers():
        cells = browser.find_elements(By.CSS_SELECTOR, "#gru-touch td")
        values = [float(cell.get_attribute("data-value")) for cell in cells]
        return np.delete(np.reshape(values, (8, 5)), 3, axis=1)  # no candidates there

    def sliders():
        inputs = browser.find_elements(By.CSS_SELECTOR, "#gru-touch input")
        return {i.get_attribute("name"): i.get_attribute("value") for i in inputs}

    tools.set_width(browser, WIDE)
    browser.get(f"{address}/user_guide/touch_a_gru.html")
    # On a busy machine, get may return before the script of the page has run.
    found = ".gru-examples button"
    examples = WebDriverWait(browser, 20).until(
        lambda b: b.find_elements(By.CSS_SELECTOR, found)
    )
    assert len(examples) == 4
    for example in examples:
        example.send_keys(Keys.ENTER)
        assert numbers() == pytest.approx(states_of_the_package(sliders()), abs=1e-5)
    before = numbers()
    weight = browser.find_element(By.ID, "gru-w_hr")
    weight.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert float(weight.get_attribute("value")) == -0.2
    assert numbers() == pytest.approx(states_of_the_package(sliders()), abs=1e-5)
    assert np.abs(numbers() - before).max() > 1e-3
    assert tools.complaints(browser) == []

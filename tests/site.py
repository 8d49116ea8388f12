"""Build the documentation, serve it on this machine and open it in a real browser."""

import os
import shutil
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parent.parent
APT = "apt-get install -y chromium-headless-shell chromium-driver"
CHECKS = (Path(__file__).parent / "site_checks.js").read_text()


def programs():
    """Paths of the browser and of its driver, None for what is not installed."""
    # Debian's chromium-headless-shell is a script around the program: ended by the driver,
    # the script would leave the browser running.
    browsers = (
        "/usr/lib/chromium/chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
    )
    browser = next(filter(None, map(shutil.which, browsers)), None)
    return browser, shutil.which("chromedriver")


def build(folder):
    """Build the site without running its code; warnings are errors.

    It is built from a copy, because sphinx writes what it generates beside its sources,
    and without a network where the system lets a user take it away.
    """
    source = folder / "source"
    source.mkdir()
    for path in ROOT.iterdir():
        if path.name == "docs":
            made = shutil.ignore_patterns("_build", "auto_examples", "generated")
            shutil.copytree(path, source / "docs", ignore=made)
        elif path.is_file():  # what is included links relative to its real place
            shutil.copy(path, source)
        elif not path.name.startswith("."):
            (source / path.name).symlink_to(path)
    offline = ["unshare", "-rn"]
    if subprocess.run([*offline, "true"], capture_output=True, check=False).returncode:
        offline = []
    sphinx = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
    done = subprocess.run(
        [*offline, *sphinx, str(source / "docs"), str(folder / "html")],
        env={**os.environ, "DOCS_RUN": "0", "DOCS_ONLINE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing: the browser reports what it did not get."""


@contextmanager
def served(folder):
    """Serve a folder on a free port of this machine; gives the address."""
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Quiet, directory=folder)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def opened_browser():
    """A headless browser that finds no host but this machine."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    chromium, driver = programs()
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",  # a container's root may not have one
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--force-prefers-reduced-motion",  # colours are read, not watched fading
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def set_width(browser, width):
    """Lay the page out as in a window of this width, which may be a phone's."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def set_theme(browser, theme):
    """Show the page "light" or "dark", as the button in its header does."""
    browser.execute_script(
        "document.documentElement.dataset.theme = arguments[0]", theme
    )


# Sphinx's search looks for ids with dots by a selector that takes them for classes.
SPHINX = "Anchored content block not found"


def complaints(browser):
    """Errors and warnings in the browser's console since the last call."""
    return [
        entry["message"]
        for entry in browser.get_log("browser")
        if entry["level"] in ("SEVERE", "WARNING") and SPHINX not in entry["message"]
    ]


def ask(browser, question):
    """The answer of a function in site_checks.js."""
    return browser.execute_script(f"{CHECKS}\nreturn {question}();")


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.anchors, self.links, self.loaded, self.unnamed = set(), [], [], []
        self.texts = []

    def handle_data(self, data):
        self.texts += data.split()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "link" and attrs.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(attrs["href"])
        if tag in ("img", "script", "iframe", "source", "video") and attrs.get("src"):
            self.loaded.append(attrs["src"])
        if tag == "img" and "alt" not in attrs:
            self.unnamed.append(attrs.get("src"))


def read_pages(site):
    """Anchors, links and what is loaded, of every page of the site by its path."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.relative_to(site).parts:
            page = pages[path] = _Page()
            with closing(page):
                page.feed(path.read_text())
    return pages


def links_of(html):
    """Links in a piece of HTML, without those inside of a page."""
    page = _Page()
    with closing(page):
        page.feed(html)
    return sorted({link for link in page.links if not link.startswith("#")})


def quoted_text(address):
    """The text that the fragment of an address points to, or None without one."""
    _, is_quoted, text = address.partition("#:~:text=")
    return " ".join(map(unquote, text.split(",-"))) if is_quoted else None


def is_elsewhere(address):
    """Whether an address leaves the site."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def what_is_wrong_with(address, page, pages):
    """Why a link of a page inside the site leads nowhere, or None."""
    parts = urlsplit(address)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target = target / "index.html"
    if not target.is_file():
        return "no such file"
    fragment = unquote(parts.fragment)
    if fragment and target in pages and fragment not in pages[target].anchors:
        return "no such anchor"
    return None

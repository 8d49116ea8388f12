"""The files around the package are what the tools that read them expect."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import sklearn_gru

ROOT = Path(__file__).parent.parent
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_citation():
    """CITATION.cff has what its format asks for, and the version of the package."""
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cff)
    assert cff["cff-version"] == "1.2.0"
    assert cff["type"] == "software"
    assert cff["version"] == sklearn_gru.__version__
    assert cff["license"] == "BSD-3-Clause"
    for reference in cff["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)
        assert all("family-names" in author for author in reference["authors"])


@pytest.mark.parametrize("form", FORMS, ids=lambda p: p.stem)
def test_issue_forms(form):
    """Every form has a name and fields with ids; a bug asks for the versions."""
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.stem == "config":
        assert set(content) == {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(content)
    fields = [part for part in content["body"] if part["type"] != "markdown"]
    names = [field["id"] for field in fields]
    assert len(set(names)) == len(names)
    assert all(field["attributes"]["label"] for field in fields)
    (versions,) = (f for f in fields if f["id"] == "versions")
    assert "python -m sklearn_gru" in versions["attributes"]["description"]


def test_the_site_can_be_built_elsewhere():
    """Read the Docs finds the configuration, and installs extras that exist."""
    content = yaml.safe_load((ROOT / ".readthedocs.yaml").read_text(encoding="utf-8"))
    assert content["version"] == 2
    assert (ROOT / content["sphinx"]["configuration"]).is_file()
    commands = " ".join(content["build"]["jobs"]["install"])
    (extras,) = re.findall(r'"\.\[(.+)\]"', commands)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])
    assert "constraints.txt" in commands


def test_the_changelog_can_be_printed():
    """Towncrier finds every note and drops none."""
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for note in (ROOT / "docs" / "changes" / "unreleased").glob("*.md"):
        first = note.read_text(encoding="utf-8").strip().splitlines()[0]
        assert first in done.stdout, note.name


@pytest.mark.parametrize(
    "page",
    ["README.md", "CHANGELOG.md", "SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md"],
)
def test_links_to_files_lead_somewhere(page):
    """What a page of the repository links to is in it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)", text)
    links += re.findall(r'(?:src|srcset|href)="([^"#]+)', text)
    for link in links:
        if not re.match(r"[a-z]+:", link):
            assert (ROOT / link).exists(), link

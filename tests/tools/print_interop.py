"""Print the table of other libraries: what was run with which version, and the result.

``python -m tests.tools.print_interop [--page PAGE] [PYTHON ...]``

Each Python runs ``tests/test_interop.py`` in its own environment, because not all
libraries can be installed together; the row of a test is that of the first Python that
has its library. With ``--page`` the lines between the two marks of that page are
replaced. Fails if a test failed.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

BEGIN, END = "% interop begin", "% interop end"


class Row(NamedTuple):
    """One test in one environment."""

    library: str
    version: str
    what: str
    result: str
    environment: str


def main(arguments=None):
    """Run, print, and write the page if one is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pythons", nargs="*", default=[sys.executable])
    parser.add_argument("--page", type=Path)
    options = parser.parse_args(arguments)
    rows = merged([run(python) for python in options.pythons])
    table = format_table(rows)
    print(table)
    if options.page:
        text = options.page.read_text()
        marks = re.compile(f"({BEGIN}\n).*?({END}\n)", re.S)
        options.page.write_text(marks.sub(rf"\1\n{table}\n\2", text))
    return int(any(row.result == "failed" for row in rows))


def run(python):
    """Rows of the tests by name, from pytest's report in an environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        pytest = [python, "-m", "pytest", "tests/test_interop.py", "-q"]
        options = ["-p", "no:cacheprovider", f"--junitxml={report}"]
        subprocess.run([*pytest, *options], stdout=sys.stderr, check=False)
        cases = ElementTree.parse(report).iter("testcase")
        return {case.get("name"): read(case) for case in cases}


def read(case):
    """What the fixture of the tests has left in the report."""
    told = {p.get("name"): p.get("value") for p in case.iter("property")}
    result = "passed"
    for child in case:
        result = {"skipped": "not installed"}.get(child.tag, result)
        result = "failed" if child.tag in ("failure", "error") else result
    return Row(
        told["library"],
        told.get("version", ""),
        told["what"],
        result,
        told["environment"],
    )


def merged(reports):
    """Of each test the first row whose library was there, else the first."""
    rows = []
    for name in reports[0]:
        found = [report[name] for report in reports]
        ran = [row for row in found if row.result != "not installed"]
        rows.append((ran or found)[0])
    return rows


def format_table(rows):
    """Markdown: a line a test, and below the environments."""
    lines = ["| library | version | what was run | result |", "|---|---|---|---|"]
    lines += [f"| {r.library} | {r.version} | {r.what} | {r.result} |" for r in rows]
    for environment in dict.fromkeys(row.environment for row in rows):
        names = dict.fromkeys(r.library for r in rows if r.environment == environment)
        lines += ["", f"{', '.join(names)}: beside {environment}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

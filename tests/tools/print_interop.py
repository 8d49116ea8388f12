"""Print the table of other libraries: what was run with which version, and the result.

``python -m tests.tools.print_interop [--page PAGE] REPORT [REPORT ...]``

A report is what ``pytest tests/test_interop.py --junitxml=REPORT`` wrote in one
environment; there are several, because not all libraries can be installed together. The
row of a test is that of the first report in which its library was there. With ``--page``
the lines between the two marks of that page are replaced. Fails if a test failed.
"""

import argparse
import re
import sys
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
    """Read, print, and write the page if one is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="+")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args(arguments)
    rows = merged([read_report(path) for path in options.reports])
    table = format_table(rows)
    print(table)
    if options.page:
        text = options.page.read_text()
        marks = re.compile(f"({BEGIN}\n).*?({END}\n)", re.S)
        options.page.write_text(marks.sub(rf"\1\n{table}\n\2", text))
    return int(any(row.result == "failed" for row in rows))


def read_report(path):
    """Rows of the tests of one environment, by name."""
    cases = ElementTree.parse(path).iter("testcase")
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
    rows = {}
    for report in reports:
        for name, row in report.items():
            if name not in rows or rows[name].result == "not installed":
                rows[name] = row
    return sorted(rows.values(), key=lambda row: row.library)


def format_table(rows):
    """Markdown: a line a test, and below the environments."""
    lines = ["| library | version | what was run | result |", "|---|---|---|---|"]
    lines += dict.fromkeys(
        f"| {r.library} | {r.version} | {r.what} | {r.result} |" for r in rows
    )
    for environment in dict.fromkeys(row.environment for row in rows):
        names = dict.fromkeys(r.library for r in rows if r.environment == environment)
        lines += ["", f"{', '.join(names)}: beside {environment}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

"""Print the lower bounds of the dependencies as pins: ``numpy>=2.0`` as ``numpy==2.0``.

``python tests/tools/print_oldest.py`` (needs nothing but Python). PyTorch is left out,
because it is installed before anything else; see the Makefile.
"""

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def oldest(dependencies):
    """Pins for requirements of the form ``name>=version``."""
    for requirement in dependencies:
        name, version = re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement).groups()
        if name != "torch":
            yield f"{name}=={version}"


if __name__ == "__main__":
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    print(*oldest(project["dependencies"]))

"""The pages of the project and the Python blocks in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def blocks(path):
    """Python blocks of a Markdown page, in order."""
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S)


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [p for p in PAGES if "_build" not in p.parts and blocks(p)]

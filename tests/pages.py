"""The pages of the project and the Python blocks in them."""

from pathlib import Path

from executed_pages import blocks  # docs/extensions

ROOT = Path(__file__).parent.parent

MADE = {"_build", "auto_examples", "generated"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [p for p in PAGES if not MADE & set(p.parts) and blocks(p)]

"""The pages that people read."""

from typing import Final

from testbed.shell import ROOT

PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")])

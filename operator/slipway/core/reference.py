"""The tables of reasons for people, made from what each `Reason` declares.

`python -m slipway.core.reference PAGE` writes them into the page anew. What stands around them is written by hand.
"""

import re
import sys
from pathlib import Path
from typing import Final

from slipway.core.reasons import About, Reason

_TABLES: Final = {"going well": None, "about the world": About.WORLD, "about the revision": About.REVISION}
"""What the page calls each table."""
_HEAD: Final = "| reason | meaning | what to do |\n|---|---|---|\n"
_PLACE: Final = re.compile(r"(<!-- Reasons (?P<table>[a-z ]+),[^>]*-->\n).*?(<!-- End of reasons -->\n)", re.DOTALL)


def render(page: str) -> str:
    """The page with its tables as they should be."""
    return _PLACE.sub(lambda place: f"{place[1]}\n{_table(_TABLES[place['table']])}\n{place[3]}", page)


def anchor(reason: Reason) -> str:
    """Where a link to the reason leads on that page."""
    return reason.lower()


def _table(about: About | None) -> str:
    return _HEAD + "".join(_row(reason) for reason in Reason if reason.about is about)


def _row(reason: Reason) -> str:
    meaning, what_to_do = (text.replace("|", "\\|") for text in (reason.meaning, reason.what_to_do))
    return f'| `{reason}`<a id="{anchor(reason)}"></a> | {meaning} | {what_to_do} |\n'


def main(page: Path) -> None:
    """Write the page anew."""
    page.write_text(render(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The pages as a site: Sphinx builds it without a warning, and no page is left out of it."""

import sys
from pathlib import Path

import pytest

from testbed.shell import ROOT, run
from tests.docs.pages import PAGES


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    run(sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", "docs/site", ".", out, cwd=ROOT)
    return out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_page_is_there_and_linked_from_the_contents(site: Path, page: Path) -> None:
    name = page.relative_to(ROOT).with_suffix(".html")
    assert (site / name).exists()
    assert name.name in (site / "docs" / "site" / "index.html").read_text()


def test_a_link_to_a_reason_leads_to_its_row(site: Path) -> None:
    assert '<a id="wronganswer"></a>' in (site / "docs" / "operations.html").read_text()

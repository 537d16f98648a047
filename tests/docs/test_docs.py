"""The docs say what is there: every reason, every metric, every manifest, and links that lead somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest

from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.controller.store import Store
from slipway.controller.telemetry import Telemetry
from slipway.controller.watch_health import WatchHealth
from slipway.core import reference
from slipway.core.reasons import About, Reason
from testbed import yamls
from testbed.shell import ROOT
from tests.docs.pages import PAGES

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def rows(heading: str) -> dict[str, list[str]]:
    """The cells of the table under a heading that begins so, by the first cell's code word."""
    section = re.split(r"^#+ ", OPERATIONS.split(f"# {heading}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("`"): row[1:] for row in cells}


def anchors(page: Path) -> list[str]:
    """The anchors of a page: those of its headings, as its readers make them, and those that it sets itself."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    headings = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    return headings + re.findall(r'<a id="([^"]+)">', page.read_text())


def test_the_tables_of_reasons_are_what_the_code_declares() -> None:
    assert reference.render(OPERATIONS) == OPERATIONS, "run: make crds"


@pytest.mark.parametrize(
    ("heading", "about"),
    [("Going well", None), ("About the world", About.WORLD), ("About the version", About.REVISION)],
)
def test_each_reason_stands_once_under_what_it_speaks_of(heading: str, about: About | None) -> None:
    section = OPERATIONS.split(f"### {heading}", 1)[1].split("\n#", 1)[0]
    shown = re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)
    assert shown == [reason.value for reason in Reason if reason.about is about]


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_says_what_it_means_and_what_to_do_and_can_be_linked_to(reason: Reason) -> None:
    assert reason.meaning
    assert reason.what_to_do
    assert anchors(ROOT / "docs" / "operations.md").count(reference.anchor(reason)) == 1


def test_each_metric_has_a_row_with_its_labels() -> None:
    telemetry = Telemetry()
    telemetry.watch(Store(), WatchHealth(), platform_version="0")
    families = {found.name + ("_total" if found.type == "counter" else "") for found in telemetry.registry.collect()}
    assert rows("Metrics").keys() == families


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def documents() -> list[Any]:
    """The YAML that pages show."""
    blocks = [block for page in PAGES for block in re.findall(r"(?ms)^```yaml\n(.*?)^```", page.read_text())]
    return [document for block in blocks for document in yamls.load_all(block)]


def manifests() -> list[Any]:
    """The ModelDeployments that pages show."""
    return [document for document in documents() if document.get("kind") == "ModelDeployment"]


def parts() -> list[dict[str, Any]]:
    """The parts of a spec that they show: of `spec`, of fields of it, or of the model's source."""
    fields = {field.alias or name for name, field in ModelDeploymentSpec.model_fields.items()}
    ours = [found for found in documents() if "kind" not in found]
    return (
        [found["spec"] for found in ours if found.keys() == {"spec"}]
        + [found for found in ours if found.keys() <= fields]
        + [{"model": found} for found in ours if found.keys() == {"source"}]
    )


def laid_over(whole: Any, part: Any) -> Any:
    if not (isinstance(whole, dict) and isinstance(part, dict)):
        return part
    return {**whole, **{key: laid_over(whole.get(key), value) for key, value in part.items()}}


def test_each_part_of_a_manifest_that_a_page_shows_is_one() -> None:
    whole, *others = manifests()
    assert len(parts()) >= 9
    for part in parts():
        ModelDeploymentSpec.model_validate(laid_over(whole["spec"], part))
    for other in others:
        ModelDeploymentSpec.model_validate(other["spec"])


def test_the_readmes_manifest_is_the_examples() -> None:
    example = yamls.load((ROOT / "examples" / "linear-regression" / "manifest.yaml").read_text())
    assert example in manifests()
    assert ModelDeploymentSpec.model_validate(example["spec"]).model.version == "1"


def test_the_page_of_bundles_has_every_place_where_one_may_be() -> None:
    page = (ROOT / "docs" / "bundle.md").read_text()
    table = page.split("## Where it may be", 1)[1]
    uri = next(line for line in (ROOT / "docs" / "api.md").read_text().splitlines() if line.startswith("| `uri` |"))
    kinds = re.compile(r"\b([a-z0-9]+)://[A-Z]")
    assert set(kinds.findall(table)) == set(kinds.findall(uri))

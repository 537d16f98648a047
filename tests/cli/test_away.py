"""A cluster without our API, and one that goes away while somebody watches; in a terminal and without one."""

import re
from collections.abc import Iterator

import pytest

from testbed.api import Api
from testbed.operating import until
from testbed.plane import Plane
from testbed.shell import ROOT
from tests.cli.cluster import Command, command, status, stored
from tests.cli.following import in_a_terminal, piped
from tests.cli.scenes import scene

pytestmark = pytest.mark.plane


@pytest.fixture(scope="module")
def bare() -> Iterator[Plane]:
    """An API server that does not know our kinds, and is ours to stop."""
    with Plane() as started:
        yield started.start()


def test_a_cluster_without_the_api_is_told_so(bare: Plane) -> None:
    for words in (("get", "churn"), ("list",), ("promote", "churn")):
        told = command(bare, "default")(*words)
        assert told.code == 1
        assert told.err == (
            "Error: the cluster has no modeldeployments.serving.slipway.dev: install the chart slipway-crds, "
            "or choose another --context\n"
        )


@pytest.fixture(scope="module")
def shop(bare: Plane) -> Command:
    """The same with our API, and a model in the middle of its canary."""
    bare.add_crds(ROOT / "crds")
    with Api(bare) as api:
        stored(api, "default", scene("canary-paused"))
    return command(bare, "default")


def test_without_a_terminal_each_change_is_a_line_and_a_lost_cluster_as_well(bare: Plane, shop: Command) -> None:
    with piped(shop, "get", "churn", "-w") as said:
        until("it shows the model", lambda: "Paused; 4 10% 1/1, 3 90% 4/4; 4: step 2 of 4" in said(), 60)
        with Api(bare) as api:
            status(api, "default", "churn", {"phase": "Shifting"})
        until("it shows the change", lambda: "Shifting; 4 10% 1/1" in said(), 60)
        bare.stop("kube-apiserver", kill=True)
        until("it says that it is lost", lambda: "no answer, trying again: the cluster does not answer" in said(), 90)
        bare.restart("kube-apiserver")
        with Api(bare) as api:
            status(api, "default", "churn", {"phase": "Soaking"})
        until("it goes on", lambda: "Soaking; 4 10% 1/1" in said(), 90)
        with Api(bare) as api:
            status(api, "default", "churn", {"phase": "Paused"})
    lines = said().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines if line), lines
    assert len(lines) < 20, "a line a change, not a line a second"


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_in_a_terminal_of_forty_columns_the_tree_is_drawn_in_its_width(
    shop: Command, environment: dict[str, str]
) -> None:
    run = Command(shop.kubeconfig, shop.namespace, {"TERM": "xterm", **environment})
    with in_a_terminal(run, "get", "churn", columns=40) as said:
        until("it has drawn the tree", lambda: "awaits" in said(), 60)
    text = said()
    coloured = re.search(r"\x1b\[[0-9;]*m", text)
    assert bool(coloured) == (not environment)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    assert max(len(line) for line in plain.splitlines()) <= 40
    assert "├── 4  #2 22222222  Candidate  10 %" in plain


def test_followed_in_a_terminal_the_tree_is_drawn_anew_and_ends_with_its_kubectl(shop: Command) -> None:
    run = Command(shop.kubeconfig, shop.namespace, {"TERM": "xterm"})
    with in_a_terminal(run, "get", "churn", "--watch", columns=80) as said:
        until("it has drawn the tree twice", lambda: said().count("awaits") >= 2, 60)
    assert "\x1b[?25h" in said(), "the cursor is shown again"
    assert "Traceback" not in said()

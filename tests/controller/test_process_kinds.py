"""The operator as a process in a cluster that learns kinds, and forgets them."""

from collections.abc import Iterator

import pytest

from slipway.controller.kinds import GATEWAY, WATCHED
from testbed.gateway.crds import gateway_api_crds
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
from tests.conftest import fresh_namespace

pytestmark = pytest.mark.plane


@pytest.fixture
def gateway_api(plane: Plane) -> Iterator[list[str]]:
    """What names its CRDs to kubectl. None is there at first, whoever used the control plane before, nor in the end."""
    named = [f"--filename={file}" for file in sorted(gateway_api_crds().glob("*.yaml"))]
    gone = ("delete", "--wait", "--ignore-not-found", *named)
    plane.kubectl()(*gone)
    yield named
    plane.kubectl()(*gone)


def test_it_ends_in_peace_when_the_gateway_api_comes_and_starts_again_with_it(
    plane: Plane, namespace: str, gateway_api: list[str]
) -> None:
    with OperatorProcess(plane, namespaces=[namespace]) as operator:
        until("everything is listed", operator.leads, 60)
        plane.add_crds(gateway_api_crds())
        until("it has ended", lambda: operator.ended() is not None, 90)
        assert operator.ended() == 0
        assert operator.log().count("the operator ends, to be started again") == 1
        assert "Traceback" not in operator.log()

        operator.start()
        until("everything is listed again", operator.leads, 60)
        assert operator.log().count("The cluster knows no httproutes") == 1  # in its first life


def test_it_ends_in_peace_when_the_gateway_api_goes_and_starts_again_without_it(
    plane: Plane, namespace: str, gateway_api: list[str]
) -> None:
    plane.add_crds(gateway_api_crds())
    mark = plane.audit.mark()
    with OperatorProcess(plane, namespaces=[namespace, fresh_namespace(plane)]) as operator:
        kinds = {kind.plural for kind in WATCHED if kind.group == GATEWAY.group}
        until("its kinds are watched", lambda: kinds <= _watched(plane, mark), 60)
        plane.kubectl()("delete", "--wait", *gateway_api)
        until("it has ended", lambda: operator.ended() is not None, 120)
        assert operator.ended() == 0
        assert operator.log().count(" any more: the operator ends, to be started again") == 1
        assert "Traceback" not in operator.log()

        operator.start()
        until("everything is listed again", operator.leads, 60)
        assert operator.log().count("The cluster knows no httproutes: nothing is done") == 1  # in its second life


def _watched(plane: Plane, mark: int) -> set[str]:
    """The kinds that an operator has watched since."""
    calls = plane.audit.calls(mark, user=plane.user("operator"))
    return {call.resource for call in calls if call.verb == "watch"}

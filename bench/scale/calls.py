"""The operator's calls to the API server, as its audit log has them."""

from typing import Final

from testbed.audit import Call
from testbed.operating import until
from testbed.plane import Plane

QUIET_SECONDS: Final = 5


def own_calls(plane: Plane, mark: int) -> list[Call]:
    """The operator's calls, but for its Lease."""
    return [call for call in plane.audit.calls(mark, plane.user("operator")) if call.resource != "leases"]


def until_quiet(plane: Plane, seconds: float) -> None:
    """Until the operator has written nothing for a while, `seconds` at most."""
    size = -1

    def quiet() -> bool:
        nonlocal size
        before, size = size, sum(call.writes for call in own_calls(plane, 0))
        return before == size

    until("the operator has no more to write", quiet, seconds, QUIET_SECONDS)

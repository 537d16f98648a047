"""A change of version and the way back while three pods are about half busy: not one request of thousands fails.

No other story runs meanwhile: it would take the half that is left.
"""

import pytest

from e2e import bundles
from e2e.client import Load
from e2e.space import Space
from load.table import HEADINGS, aligned, line
from testbed.say import console

pytestmark = pytest.mark.alone
HALF_BUSY = "--busy=0.5"
VERSIONS = {"1": 7.0, "2": 13.0}
SECONDS_BEFORE = 10


def test_three_busy_pods_change_their_version_and_go_back_and_no_request_fails(space: Space) -> None:
    # given: version 1 serves y = 2x + 1 with three pods
    uris = {version: space.upload(version, bundles.linear(slope=slope)) for version, slope in (("1", 2), ("2", 4))}
    space.apply("line", uris["1"], replicas=3)
    space.until_ready("line")

    # when: version 2 is asked for, and then version 1 again, each under a load that takes half of what they can answer
    for before, after in (("1", "2"), ("2", "1")):
        load = _changed(space, uris[after], before, after)

        # then: nobody was turned away, and the answers went from the one version's to the other's
        load.assert_nothing_failed()
        assert load.report.switched(before, after)
        console.print(_phases(load, before, after), markup=False)


def _changed(space: Space, uri: str, before: str, after: str) -> Load:
    """From some seconds before a change until ten seconds after the last answer of the old version."""
    with space.client.load(space.host("line"), "line", VERSIONS, HALF_BUSY) as load:
        space.until("it was asked for some seconds", lambda: load.recent.seconds >= SECONDS_BEFORE)
        space.apply("line", uri, version=after, replicas=3)
        space.until_ready("line")
        space.until(f"version {before} answers nobody", lambda: set(load.recent.total().answered) == {after})
    return load


def _phases(load: Load, before: str, after: str) -> str:
    """Latencies before, during and after the change, for whoever reads the test's output."""
    report = load.report
    rows = [
        line(f"{protocol} {phase}", tally)
        for protocol in ("http", "grpc")
        for phase, tally in report.phases(before, after, protocol).items()
    ]
    title = f"version {before} to {after} at {report.rate:g} requests a second by each protocol"
    return "\n".join([title, *aligned([HEADINGS, *rows])])

"""V6: the operator is killed at every phase of a change of version. The change ends as it would have without."""

from functools import partial

from e2e import bundles, operators
from e2e.client import OF_BOTH
from e2e.space import DRAIN_SECONDS, Space, total_restarts

PODS = 2
PHASES = ("Resolving", "Starting", "Shifting")


def test_a_change_whose_operator_is_killed_at_every_phase_ends_as_it_should(space: Space) -> None:
    # given: version 1 serves with two pods, under load
    uris = {version: space.upload(version, bundles.linear(slope=slope)) for version, slope in (("1", 2), ("2", 4))}
    space.apply("line", uris["1"], replicas=PODS)
    space.until_ready("line")
    old = space.model("line")["status"]["stable"]["revision"]
    with space.client.load(space.host("line"), "line", OF_BOTH) as load:
        # when: version 2 is asked for, and the operator that leads is killed each time the change has come further
        space.apply("line", uris["2"], version="2", replicas=PODS)
        for phase in PHASES:
            space.until(f"it has come to {phase}", partial(_has_come_to, space, phase))
            killed = operators.kill_leader(space)
            operators.until_another_leads(space, killed)
        space.until_ready("line")
        space.until("version 1 is gone", lambda: not space.pods_of(old), DRAIN_SECONDS)

    # then: nobody was turned away
    load.assert_nothing_failed()
    assert load.report.switched("1", "2")

    # and: there are two revisions, numbered once each, and as many pods as were asked for, none of them started twice
    status, pods = space.model("line")["status"], space.pods("line")
    assert (status["stable"]["version"], status["stable"]["number"], status["lastNumber"]) == ("2", 2, 2)
    assert [total_restarts(pod) for pod in pods] == [0] * PODS
    assert len(space.api.list("controllerrevisions", space.namespace)) == 2


def _has_come_to(space: Space, phase: str) -> bool:
    """At that phase or beyond: pods may come to be ready while the next operator takes over."""
    status = space.model("line")["status"]
    now = status.get("rollout", {}).get("phase")
    return status["stable"]["version"] == "2" or now in PHASES[PHASES.index(phase) :]

"""S13: a serving pod whose backend dies or whose answers turn wrong is ended and replaced; a slow one is left alone."""

import json
from functools import partial

from e2e import bundles
from e2e.space import Manifest, Space, total_restarts

INTERVAL_SECONDS = 10
THREE_INTERVALS = 3 * INTERVAL_SECONDS
KILL_STUBS = """
import os, pathlib, signal
processes = pathlib.Path("/proc").glob("[0-9]*")
stubs = [found for found in processes if (found / "comm").read_text().startswith("triton_python")]
assert stubs
for stub in stubs:
    os.kill(int(stub.name), signal.SIGKILL)
"""


def test_a_pod_is_ended_when_its_backend_dies_or_its_answers_turn_wrong_and_not_when_it_is_slow(space: Space) -> None:
    # given: three models that are asked their golden request every ten seconds
    for name in ("dead", "wrong", "slow"):
        asked = {"verification": {"interval": f"{INTERVAL_SECONDS}s"}}
        space.apply(name, space.upload(name, bundles.obedient()), model=asked)
    space.until_ready("dead", "wrong", "slow")
    pods = {name: space.pod(name) for name in ("dead", "wrong", "slow")}

    # when: one loses its backend, one is told to answer 8 in place of 7, one to take its time
    space.run(pods["dead"], KILL_STUBS)
    space.order(pods["wrong"], wrong_by=1)
    space.order(pods["slow"], seconds=3)

    # then: within three intervals the first two are ended, each with its reason
    found = {
        name: space.until(f"{name} ended", partial(_verdict, space, pods[name]), THREE_INTERVALS)
        for name in ("dead", "wrong")
    }
    assert found["dead"]["reason"] == "BackendDead", found
    assert found["wrong"]["reason"] == "WrongAnswer", found
    assert "8" in found["wrong"]["message"]
    assert "7" in found["wrong"]["message"]

    # and: their replacements prove themselves and serve, and an Event has told why
    for name, reason in (("dead", "BackendDead"), ("wrong", "WrongAnswer")):
        space.until_told(name, reason)
    space.until_ready("dead")
    assert space.client.infer("http", space.host("dead"), "dead", x=[[1.0]]) == {"y": [[3.0]]}

    # and: the slow one still is the pod that it was
    slow = space.pod("slow")
    assert (slow["metadata"]["uid"], total_restarts(slow)) == (pods["slow"]["metadata"]["uid"], 0)
    assert space.ready("slow")["status"] == "True"


def _verdict(space: Space, pod: Manifest) -> dict[str, str]:
    """What the guard said when it ended the server."""
    now = space.api.get("pods", space.namespace, pod["metadata"]["name"]) or {"status": {}}
    for status in now["status"].get("containerStatuses", []):
        for state in (status["state"], status["lastState"]):
            if "terminated" in state:
                found: dict[str, str] = json.loads(state["terminated"]["message"])
                return found
    return {}

"""A float and an int8 version of one model, side by side under load; a third, whose answers drifted, gets nobody."""

import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from e2e import bundles
from e2e.space import Manifest, Space
from load import pod
from load.table import table
from testbed.say import console
from testbed.shell import ROOT, run
from testbed.training import EXAMPLES, train

DIGITS = EXAMPLES / "digits"
RATE = "--rate=5"
ANALYSIS_SECONDS = 300
"""Three rounds of half a minute each, and those in which too few have asked yet."""
ASK = """
import json, urllib.request
body = json.dumps({request}).encode()
answer = urllib.request.urlopen("http://127.0.0.1:8000/v2/models/digits/infer", body, timeout=20).read()
print(json.dumps(json.loads(answer)["outputs"][0]["data"]))
"""


def test_an_int8_version_takes_over_from_its_float_version_and_one_that_drifted_does_not(
    space: Space, tmp_path: Path
) -> None:
    # given: what train.py and compress.py of the example write, in the store, and the float version serving
    for name, folder in made(tmp_path).items():
        space.store.put(f"digits/{name}", bundles.read(folder))
    space.kubectl("apply", "--filename", DIGITS / "manifest.yaml")
    space.until_ready("digits")
    request = asked(tmp_path / "digits")
    before = answer(space, space.pod("digits"), request)

    # when: half of the traffic goes to the int8 version, as the example's manifest says
    space.kubectl("apply", "--filename", DIGITS / "manifest-int8.yaml")
    candidate = space.until("the int8 version has a pod that answers", partial(ready_candidate, space))
    after = answer(space, candidate, request)
    answers = [f"{name}={','.join(map(str, right))}" for name, right in (("1", before), ("1-int8", after))]
    with pod.running(space.client.kubectl, space.host("digits"), "digits", request, answers, RATE) as load:
        # then: it holds to the float version's answers under load, and takes over without a failed request
        space.until_ready("digits", seconds=ANALYSIS_SECONDS)
        # connections that are kept stay with the float version's pods for as long as these stand by; new ones do not
        assert served(space, request) == pytest.approx(after, abs=1e-4)
    console.print(table(load.report), markup=False)
    total = load.report.total()
    assert set(total.answered) == {"1", "1-int8"}
    assert not total.failed, table(load.report)
    assert not total.wrong, table(load.report)

    # and: the version that drifted is refused by its own golden answers, and the int8 version goes on
    drifted = (DIGITS / "manifest-int8.yaml").read_text().replace("1-int8", "1-drifted")
    space.kubectl("apply", "--filename=-", stdin=drifted)
    assert re.search(r"golden/batch\.json.*probabilities\[\d, \d\]", space.until_reason("digits", "WrongAnswer"))
    space.until_phase("digits", "Refused")
    assert served(space, request) == pytest.approx(after, abs=1e-4)


def made(folder: Path) -> dict[str, Path]:
    """The bundles of the example's own programs, by the last part of their addresses."""
    train("digits", folder / "digits")
    words = ("--bundle", "digits", "--out", "digits-int8", "--drifted", "digits-drifted")
    printed = run(
        sys.executable, DIGITS / "compress.py", *words, cwd=folder, env={"PYTHONPATH": str(ROOT / "operator")}
    )
    console.print(printed, markup=False)
    return {"1": folder / "digits", "1-int8": folder / "digits-int8", "1-drifted": folder / "digits-drifted"}


def asked(bundle: Path) -> dict[str, Any]:
    """The rows of its golden batch, for the probabilities alone: labels are the same for both versions."""
    golden = json.loads((bundle / "golden" / "batch.json").read_text())
    return {"inputs": golden["inputs"], "outputs": [{"name": "probabilities"}]}


def answer(space: Space, model_pod: Manifest, request: dict[str, Any]) -> list[float]:
    """What one pod answers."""
    values: list[float] = json.loads(space.run(model_pod, ASK.format(request=request)))
    return values


def served(space: Space, request: dict[str, Any]) -> list[float]:
    """What the Service answers on a new connection."""
    ((status, text),) = space.client.http(space.host("digits"), ("POST", "/v2/models/digits/infer", request))
    assert status == 200, text
    values: list[float] = json.loads(text)["outputs"][0]["data"]
    return values


def is_served(space: Space, request: dict[str, Any], right: list[float]) -> bool:
    """Whether a new connection gets these answers."""
    return served(space, request) == pytest.approx(right, abs=1e-4)


def ready_candidate(space: Space) -> Manifest | None:
    """A pod of the candidate that has its share."""
    model = space.model("digits")["status"]
    candidate = model.get("candidate") or {}
    share = next((r.get("share", 0) for r in model.get("revisions", []) if r["version"] == "1-int8"), 0)
    return space.pods_of(candidate["revision"])[0] if candidate and share else None

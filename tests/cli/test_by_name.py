"""Rights to single models by their names: what they are read from, and the command of whoever has no others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from slipway.api.v1alpha1 import GROUP, PLURAL
from slipway.cli.named import names
from testbed.api import Api
from testbed.operating import until
from testbed.plane import Plane
from tests.cli.cluster import Command, command, status, stored
from tests.cli.following import piped
from tests.cli.scenes import scene
from tests.conftest import fresh_namespace

OURS: Final = "modeldeployments.serving.slipway.dev"
RULE: Final[dict[str, Any]] = {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["get"], "resourceNames": ["b"]}


def rule(**other: Any) -> dict[str, Any]:
    return {**RULE, **other}


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([rule(resourceNames=["b", "a"])], ["a", "b"]),
        ([rule(verbs=["*"]), rule(apiGroups=["*"], resources=["*"], resourceNames=["c"])], ["b", "c"]),
        ([rule(), rule()], ["b"]),
        ([rule(verbs=["patch"])], []),
        ([rule(resources=["modeldeployments/status"])], []),
        ([rule(apiGroups=["apps"])], []),
        ([rule(resourceNames=[])], []),
        ([{key: value for key, value in RULE.items() if key != "resourceNames"}], []),
        ([rule(resourceNames=[f"m{number:03}" for number in range(500)])], [f"m{number:03}" for number in range(100)]),
        ([rule(resourceNames=[None, 3, "b"]), rule(verbs=3), None, "x"], ["b"]),
        (None, []),
    ],
)
def test_names_are_those_that_rules_allow(rules: Any, found: list[str]) -> None:
    assert names({"status": {"resourceRules": rules}}, GROUP, PLURAL) == found


@pytest.fixture(scope="module")
def api(plane: Plane) -> Iterator[Api]:
    with Api(plane) as found:
        yield found


@pytest.fixture
def named(plane: Plane, api: Api) -> Command:
    """Of whoever may get and change `churn`, of two models that are there, and do nothing else."""
    namespace = fresh_namespace(plane)
    each = scene("canary-measured")
    stored(api, namespace, each._replace(pods=[], stored=[]))
    other = {**each.body, "metadata": {"name": "other"}}
    stored(api, namespace, each._replace(body=other, pods=[], stored=[]))
    kubectl = plane.kubectl().within(namespace)
    kubectl("create", "role", "churn", "--verb=get,patch", f"--resource={OURS}", "--resource-name=churn")
    kubectl("create", "rolebinding", "churn", "--role=churn", f"--user={plane.user('tenant')}")
    return command(plane, namespace, "tenant")


@pytest.mark.plane
def test_whoever_may_get_one_model_sees_it_and_is_told_what_more_would_take(named: Command) -> None:
    told = named("get", "churn")
    assert (told.code, "Candidate  10 %" in told.out) == (0, True), told.err
    assert "no right to list pods" in told.err
    assert named("why", "churn").code == 0
    told = named("get", "other")
    assert told.code == 1
    assert told.err.endswith(f"kubectl auth can-i get {OURS}/other -n {named.namespace}\n")


@pytest.mark.plane
def test_a_list_has_those_that_may_be_got_by_name(named: Command, plane: Plane) -> None:
    told = named("list")
    assert told.code == 0, told.err
    assert [line.split()[0] for line in told.out.splitlines()] == ["NAME", "churn"]
    assert f"shown are those that you may get by name: no right to list {OURS}: " in told.err
    assert named("list", "-o", "name").out == "modeldeployment.serving.slipway.dev/churn\n"
    told = named("list", "-A")
    assert (told.code, f"no right to list {OURS}" in told.err) == (1, True)
    told = command(plane, "default", "tenant")("list")
    assert told.code == 1
    assert told.err.endswith("; slipway get NAME shows one that you may get by its name\n")


@pytest.mark.plane
def test_it_is_followed_without_a_right_to_list_or_watch(named: Command, api: Api) -> None:
    with piped(named, "get", "churn", "-w") as said:
        until("it is there", lambda: "Shifting; 4 10% 1/1, 3 90% 4/4" in said(), 60)
        status(api, named.namespace, "churn", {"phase": "Suspended"})
        until("what changes is told", lambda: "Suspended; 4 10%" in said(), 60)
    assert "no answer" not in said()


@pytest.mark.plane
def test_what_a_manifest_would_do_is_said_and_asked_for(named: Command, api: Api, tmp_path: Path) -> None:
    body = scene("canary-measured").body
    body = {key: body[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "churn"}}
    body["spec"]["model"]["version"] = "5"
    (tmp_path / "churn.yaml").write_text(yaml.safe_dump(body))
    told = named("plan", "-f", str(tmp_path / "churn.yaml"), "-o", "json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["revisionFields"] == ["spec.model.version: 4 → 5"]
    assert named("promote", "churn", "--no-wait").code == 0
    meta = (api.get("modeldeployments", named.namespace, "churn") or {})["metadata"]
    assert meta["annotations"]["serving.slipway.dev/rollout"] == "promote/22222222"
    assert f"no right to get {OURS}" in named("promote", "other", "--no-wait").err

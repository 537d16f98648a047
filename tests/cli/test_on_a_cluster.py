"""The command with the real kubectl against a real API server. The operator's part is played by the test itself."""

import json
import re
import secrets
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from slipway import DISTRIBUTION
from testbed.api import Api
from testbed.operating import until
from testbed.plane import Plane, free_port
from testbed.shell import ROOT
from tests.cli.cluster import Command, command, status, stored
from tests.cli.following import piped
from tests.cli.scenes import scene, scene_of, sent_home
from tests.cli.waiting import gone_back_by_request
from tests.conftest import fresh_namespace
from tests.core.cluster.simulator import Simulator

pytestmark = pytest.mark.plane

REQUEST = "serving.slipway.dev/rollout"


@pytest.fixture(scope="module")
def api(plane: Plane) -> Iterator[Api]:
    with Api(plane) as found:
        yield found


@pytest.fixture(scope="module")
def shop(plane: Plane, api: Api) -> Command:
    """A namespace with one model in the middle of its canary, which tests only look at."""
    namespace = fresh_namespace(plane)
    stored(api, namespace, scene("canary-measured"))
    return command(plane, namespace)


@pytest.fixture
def slipway(plane: Plane, namespace: str) -> Command:
    return command(plane, namespace)


@pytest.fixture
def churn(api: Api, namespace: str) -> None:
    """The same for one test, which may change it."""
    each = scene("canary-measured")
    stored(api, namespace, each._replace(pods=[], stored=[]))


@pytest.fixture
def answering(api: Api, namespace: str, churn: None) -> Iterator[Callable[[str], None]]:
    """An operator that answers the next request with these words."""
    ended = threading.Event()

    def answer(outcome: str) -> None:
        while not ended.wait(0.1):
            found = api.get("modeldeployments", namespace, "churn") or {}
            asked = found["metadata"].get("annotations", {}).get(REQUEST)
            if asked:
                said = {"request": asked, "outcome": outcome, "at": "2026-01-05T12:02:00Z"}
                status(api, namespace, "churn", {"requests": [said]})
                return

    threads: list[threading.Thread] = []

    def begin(outcome: str) -> None:
        threads.append(threading.Thread(target=answer, args=(outcome,)))
        threads[-1].start()

    yield begin
    ended.set()
    for thread in threads:
        thread.join()


def test_get_shows_the_model_its_revisions_and_its_pods(shop: Command) -> None:
    told = shop("get", "churn")
    assert told.code == 0, told.err
    assert "├── 4  #2 22222222  Candidate  10 %  1/1 pods" in told.out
    assert "│   └── churn-22222222-0  ready  node-1  1 gpu  golden ✔" in told.out
    assert "▶ 2 analysis Inline" in told.out
    assert "awaits  the analysis, 1 of 5 rounds passed; at " in told.out
    assert "\x1b" not in told.out


def test_each_view_is_there_for_programs(shop: Command) -> None:
    found = json.loads(shop("get", "churn", "-o", "json").out)
    assert [each["state"] for each in found["revisions"]] == ["Candidate", "Stable"]
    assert yaml.safe_load(shop("why", "churn", "-o", "yaml").out)["reason"] == "AnalysisRunning"
    assert [each["number"] for each in json.loads(shop("history", "churn", "-o", "json").out)] == [2, 1]
    assert shop("list", "-o", "name").out == "modeldeployment.serving.slipway.dev/churn\n"


def test_list_and_history_are_tables(shop: Command) -> None:
    head, line = shop("list").out.splitlines()
    assert head.split() == ["NAME", "VERSION", "SERVES", "PHASE", "READY", "REASON", "AGE"]
    assert line.split()[:6] == ["churn", "4", "3", "Shifting", "5/4", "AnalysisRunning"]
    assert "2  4        22222222  Candidate" in shop("history", "churn").out
    assert "churn" in shop("list", "-A").out


def test_of_no_models_and_of_one_that_is_not_there_it_says_so(slipway: Command, namespace: str) -> None:
    told = slipway("list")
    assert (told.code, told.out) == (0, "")
    assert told.err == f"no ModelDeployments in namespace {namespace}; -A shows all\n"
    told = slipway("get", "churn")
    assert told.code == 1
    assert told.err == (
        'Error: modeldeployments.serving.slipway.dev "churn" not found; slipway list -A shows what there is\n'
    )


def test_a_request_is_written_with_the_revision_and_its_outcome_is_told(
    slipway: Command, api: Api, namespace: str, answering: Callable[[str], None]
) -> None:
    answering("promoted: on to the next step")
    told = slipway("promote", "churn")
    assert (told.code, told.out) == (0, "promoted: on to the next step\n"), told.err
    assert told.err == "churn: promote 4 (revision 22222222)\n"
    meta = (api.get("modeldeployments", namespace, "churn") or {})["metadata"]
    assert meta["annotations"] == {REQUEST: "promote/22222222"}
    wrote = [each for each in meta["managedFields"] if "f:annotations" in each["fieldsV1"].get("f:metadata", {})]
    assert [each["manager"] for each in wrote] == ["slipway-cli"]


def test_what_the_operator_does_not_do_is_a_failure(slipway: Command, answering: Callable[[str], None]) -> None:
    answering("stale, nothing done: promote does not fit 22222222; now: stable 11111111")
    told = slipway("promote", "churn")
    assert (told.code, told.out) == (1, "")
    assert told.err.endswith("Error: stale, nothing done: promote does not fit 22222222; now: stable 11111111\n")


@pytest.mark.usefixtures("churn")
def test_exit_codes_are_those_of_the_docs(slipway: Command, api: Api, namespace: str) -> None:
    told = slipway("abort", "churn", "--timeout", "0.2")
    assert told.code == 3
    assert "no answer to abort/22222222 within 0.2 s: see that the operator runs" in told.err
    assert slipway("abort", "churn", "--no-wait").code == 0
    asked = (api.get("modeldeployments", namespace, "churn") or {})["metadata"]["annotations"][REQUEST]
    assert asked == "abort/22222222@2", "the same text again would be no change"
    assert slipway("abort").code == 2
    assert slipway("get", "churn", "-w", "-o", "json").code == 2
    told = slipway("resume", "churn", "--revision", "4")
    assert (told.code, told.err) == (1, "Error: --revision 4: is no revision: name 8 hex digits, as history shows\n")
    assert slipway("wait", "churn", "--timeout", "0").code == 3


@pytest.mark.parametrize(
    ("made", "words"), [(sent_home, "golden/a.json: y[0] is 5"), (gone_back_by_request, "3 serves again")]
)
def test_wait_fails_at_once_where_nothing_leads_there(
    slipway: Command, api: Api, namespace: str, made: Callable[[], Simulator], words: str
) -> None:
    stored(api, namespace, scene_of(made()))
    told = slipway("wait", "churn")
    assert told.code == 1
    assert words in told.err
    assert "slipway why churn says what to do" in told.err
    assert slipway("wait", "churn", "--for", "settled").code == 0


@pytest.mark.usefixtures("churn")
def test_a_right_that_is_lacking_is_named(plane: Plane, namespace: str) -> None:
    kubectl = plane.kubectl().within(namespace)
    stranger = command(plane, namespace, "tenant")
    told = stranger("get", "churn")
    assert told.code == 1
    assert told.err == (
        "Error: no right to get modeldeployments.serving.slipway.dev: ask for it; this says when you have it: "
        f"kubectl auth can-i get modeldeployments.serving.slipway.dev/churn -n {namespace}\n"
    )
    user = "--user=system:serviceaccount:slipway-system:tenant"
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=modeldeployments.serving.slipway.dev")
    kubectl("create", "rolebinding", "reader", "--role=reader", user)
    told = stranger("get", "churn")
    assert told.code == 0
    assert "Candidate  10 %  1/1 pods" in told.out
    assert f"pods are not shown: no right to list pods: ask for it; this says when you have it: {_CAN}" in told.err
    with piped(stranger, "get", "churn", "-w") as said:
        until("it shows all else", lambda: "Shifting; 4 10% 1/1, 3 90% 4/4" in said(), 60)
        lacking = f"pods are not followed: no right to list pods: ask for it; this says when you have it: {_CAN}"
        until("and what is missing", lambda: lacking in said(), 60)
    told = stranger("promote", "churn")
    assert told.code == 1
    assert "no right to patch modeldeployments.serving.slipway.dev" in told.err


_CAN = "kubectl auth can-i list pods -n"


def test_without_kubectl_or_a_cluster_it_says_what_is_missing(slipway: Command, tmp_path: Path) -> None:
    told = Command(slipway.kubeconfig, environment={"PATH": str(tmp_path)})("get", "churn")
    assert (told.code, told.out) == (1, "")
    assert told.err == "Error: kubectl cannot be run (No such file or directory): install it, and put it on PATH\n"
    cluster = {"name": "c", "cluster": {"server": f"https://127.0.0.1:{free_port()}"}}
    context = {"name": "c", "context": {"cluster": "c", "user": ""}}
    config = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context]}
    (tmp_path / "config").write_text(yaml.safe_dump({**config, "current-context": "c"}))
    told = Command(tmp_path / "config")("list")
    assert told.code == 1
    assert told.err.startswith("Error: the cluster does not answer: ")
    assert "see --context, and kubectl cluster-info" in told.err
    assert Command(tmp_path / "config")("list", "--context", "other").code == 1


def test_where_to_look_is_said_as_kubectl_has_it(plane: Plane, shop: Command) -> None:
    elsewhere = Command(Path("/none"))
    told = elsewhere("get", "churn", f"--kubeconfig={plane.kubeconfig('admin')}", "--namespace", shop.namespace)
    assert told.code == 0, told.err


@pytest.mark.parametrize("environment", [{"LANG": "C"}, {"LC_ALL": "POSIX"}, {"LANG": "", "LC_ALL": ""}])
def test_without_unicode_all_is_ascii(shop: Command, environment: dict[str, str]) -> None:
    told = replace(shop, environment=environment)("get", "churn")
    assert told.code == 0, told.err
    assert told.out.isascii()
    assert "+-- 4  #2 22222222" in told.out


def test_a_width_that_is_asked_for_holds_without_a_terminal(shop: Command) -> None:
    told = replace(shop, environment={"COLUMNS": "40"})("get", "churn")
    assert max(map(len, told.out.splitlines())) <= 40


def test_a_thousand_models_are_listed_in_seconds(slipway: Command, api: Api, namespace: str) -> None:
    spec = scene("serving").body["spec"]
    kind = {"apiVersion": "serving.slipway.dev/v1alpha1", "kind": "ModelDeployment"}
    for number in range(1000):
        api.create("modeldeployments", namespace, {**kind, "metadata": {"name": f"m-{number:04}"}, "spec": spec})
    began = time.monotonic()
    told = slipway("list")
    assert len(told.out.splitlines()) == 1001
    assert time.monotonic() - began < 30


def test_kubectl_has_the_plugin_and_completes_commands_options_and_names(shop: Command, tmp_path: Path) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name in ("kubectl-slipway", "kubectl_complete-slipway"):
        module, _, function = scripts[name].partition(":")
        (tmp_path / name).write_text(f"#!{sys.executable}\nfrom {module} import {function}\n{function}()\n")
        (tmp_path / name).chmod(0o755)
    environment = {**shop.env(), "PATH": f"{tmp_path}:{shop.env()['PATH']}"}

    def kubectl(*words: str) -> str:
        argv = ["kubectl", *words]
        return subprocess.run(argv, env=environment, check=True, capture_output=True, text=True).stdout

    where = ("-n", shop.namespace)
    assert kubectl("slipway", "list", "-o", "name", *where) == "modeldeployment.serving.slipway.dev/churn\n"
    assert "Usage: kubectl slipway" in kubectl("slipway", "--help")
    offered = kubectl("__complete", "slipway", "pro")
    assert offered.splitlines()[0].startswith("promote\t")
    assert kubectl("__complete", "slipway", "promote", *where, "") == "churn\n:4\n"
    assert "--revision\t" in kubectl("__complete", "slipway", "promote", "--rev")


@pytest.mark.usefixtures("churn")
def test_a_plan_is_made_of_what_the_api_server_would_store(
    slipway: Command, api: Api, namespace: str, tmp_path: Path
) -> None:
    before = api.get("modeldeployments", namespace, "churn") or {}
    body = scene("canary-measured").body
    body = {key: body[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "churn"}}
    body["spec"]["model"]["version"] = "5"
    (tmp_path / "churn.yaml").write_text(yaml.safe_dump(body))
    told = slipway("plan", "-f", str(tmp_path / "churn.yaml"))
    assert told.code == 0, told.err
    assert "new pods: 5 is resolved, and takes over from 3; the rollout of 4 ends" in told.out
    assert re.findall(r"(?m)^(?:for|changes) +(\S+)", told.out) == ["spec.model.version:"]
    assert api.get("modeldeployments", namespace, "churn") == before
    body["spec"]["model"]["version"] = ""
    (tmp_path / "churn.yaml").write_text(yaml.safe_dump(body))
    told = slipway("plan", "--server-side", "-f", str(tmp_path / "churn.yaml"))
    assert told.code == 1
    assert "spec.model.version" in told.err


def test_top_shows_what_models_hold(shop: Command) -> None:
    head, line = shop("top").out.splitlines()
    assert head.split() == ["NAME", "PODS", "READY", "ACCELERATORS", "NODES"]
    assert re.split(r"\s{2,}", line) == ["churn", "5", "5", "5 nvidia.com/gpu", "node-1"]
    assert shop("top", "-o", "name").out == "modeldeployment.serving.slipway.dev/churn\n"


def test_version_compares_command_api_and_operator(shop: Command, api: Api, namespace: str) -> None:
    told = shop("version")
    assert told.code == 1
    assert "API      as this command knows it" in told.out
    assert "no operator is to be seen" in told.out
    operator(api, namespace, version(DISTRIBUTION))
    assert shop("version").code == 0, shop("version").out
    operator(api, fresh_namespace_of(api), "9.0.0")
    told = shop("version", "-o", "json")
    assert told.code == 1
    assert json.loads(told.out)["remarks"] == [
        f"operator 9.0.0 beside command {version(DISTRIBUTION)}: what one alone knows is not shown"
    ]


def operator(api: Api, namespace: str, version: str) -> None:
    """A Deployment with the chart's labels."""
    select = {"app.kubernetes.io/name": "slipway", "app.kubernetes.io/component": "operator"}
    template = {"metadata": {"labels": select}, "spec": {"containers": [{"name": "operator", "image": "none"}]}}
    meta = {"name": "slipway", "labels": {**select, "app.kubernetes.io/version": version}}
    spec = {"replicas": 1, "selector": {"matchLabels": select}, "template": template}
    api.create(
        "deployments", namespace, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    )


def fresh_namespace_of(api: Api) -> str:
    name = f"t-{secrets.token_hex(4)}"
    api.create("namespaces", "", {"metadata": {"name": name}})
    return name

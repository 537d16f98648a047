"""Every verb of the client, on a real API server: what it writes and what it refuses."""

from datetime import UTC, datetime

import pytest

from slipway.controller.events import LONGEST, event_of
from slipway.controller.kinds import BY_NAME, DEPLOYMENT, EVENT, MODEL_DEPLOYMENT, NODE, POD, Key, Kind
from slipway.controller.kube import PAGE, ApiKube, ConflictError, ForbiddenError, KubeError, NotFoundError
from slipway.core.names import FIELD_MANAGER
from slipway.core.plan import Note
from testbed.plane import Plane
from tests.controller.conftest import CallLog, a_model_deployment, client_of
from tests.controller.manifests import a_config, a_deployment

pytestmark = pytest.mark.plane

CONFIG = BY_NAME["ConfigMap"]


async def test_apply_creates_then_changes_and_removes_what_is_no_longer_asked(kube: ApiKube, namespace: str) -> None:
    created = await kube.apply(CONFIG, a_config(namespace, a="1", b="2"))
    changed = await kube.apply(CONFIG, a_config(namespace, a="3"))

    assert created["data"] == {"a": "1", "b": "2"}
    assert changed["data"] == {"a": "3"}
    assert changed["metadata"]["managedFields"][0]["manager"] == FIELD_MANAGER


async def test_applying_the_same_again_changes_no_version(kube: ApiKube, namespace: str) -> None:
    first = await kube.apply(CONFIG, a_config(namespace, a="1"))
    again = await kube.apply(CONFIG, a_config(namespace, a="1"))

    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_apply_takes_back_a_field_that_was_changed_by_hand_and_leaves_a_field_that_is_not_ours(
    kube: ApiKube, namespace: str, plane: Plane
) -> None:
    await kube.apply(CONFIG, a_config(namespace, a="1"))
    plane.kubectl()("-n", namespace, "patch", "configmap", "c", "--patch", '{"data": {"a": "hand", "b": "theirs"}}')

    assert (await kube.apply(CONFIG, a_config(namespace, a="1")))["data"] == {"a": "1", "b": "theirs"}


async def test_apply_with_a_version_that_is_no_longer_live_is_a_conflict(kube: ApiKube, namespace: str) -> None:
    stale = (await kube.apply(CONFIG, a_config(namespace, a="1")))["metadata"]["resourceVersion"]
    await kube.apply(CONFIG, a_config(namespace, a="2"))

    with pytest.raises(ConflictError):
        await kube.apply(CONFIG, a_config(namespace, a="3"), resource_version=stale)
    assert (await kube.get(CONFIG, namespace, "c"))["data"] == {"a": "2"}


async def test_a_status_that_was_decided_from_an_older_object_is_a_conflict(kube: ApiKube, namespace: str) -> None:
    made = await kube.create(MODEL_DEPLOYMENT, a_model_deployment(namespace))
    status = {key: made[key] for key in ("apiVersion", "kind")} | {
        "metadata": {key: made["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")},
        "status": {"observedGeneration": 1, "phase": "Pending", "lastNumber": 0},
    }
    written = await kube.replace_status(MODEL_DEPLOYMENT, status)

    assert written["status"]["phase"] == "Pending"
    assert written["spec"] == made["spec"]
    with pytest.raises(ConflictError):
        await kube.replace_status(MODEL_DEPLOYMENT, status | {"status": {"observedGeneration": 1, "phase": "Ready"}})


async def test_what_somebody_else_owns_of_a_status_goes_when_it_is_left_out(
    kube: ApiKube, namespace: str, plane: Plane
) -> None:
    made = await kube.create(MODEL_DEPLOYMENT, a_model_deployment(namespace))
    identity = {key: made["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    status = {key: made[key] for key in ("apiVersion", "kind")} | {"metadata": identity}
    first = {"observedGeneration": 1, "phase": "Pending", "lastNumber": 0, "ready": "0/1"}
    await kube.replace_status(MODEL_DEPLOYMENT, status | {"status": first})
    reset = '{"metadata": {"managedFields": [{}]}}'
    plane.kubectl()("-n", namespace, "patch", "md", "churn", "--type=merge", f"--patch={reset}")
    live = await kube.get(MODEL_DEPLOYMENT, namespace, "churn")
    identity["resourceVersion"] = live["metadata"]["resourceVersion"]

    del first["ready"]
    written = await kube.replace_status(MODEL_DEPLOYMENT, status | {"status": first})

    assert written["status"] == first


async def test_a_status_is_never_written_to_a_successor_of_the_same_name(
    kube: ApiKube, namespace: str, plane: Plane
) -> None:
    made = await kube.create(MODEL_DEPLOYMENT, a_model_deployment(namespace))
    plane.kubectl()("-n", namespace, "delete", "md", "churn")
    await kube.create(MODEL_DEPLOYMENT, a_model_deployment(namespace))
    identity = {key: made["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}

    with pytest.raises(ConflictError):
        await kube.replace_status(
            MODEL_DEPLOYMENT,
            {"apiVersion": made["apiVersion"], "kind": made["kind"], "metadata": identity, "status": {}},
        )


async def test_scale_sets_the_count_of_the_deployment_that_was_looked_at(kube: ApiKube, namespace: str) -> None:
    version = (await kube.apply(DEPLOYMENT, a_deployment(namespace)))["metadata"]["resourceVersion"]

    scale = await kube.scale(namespace, "d", 3, version)

    live = await kube.get(DEPLOYMENT, namespace, "d")
    assert live["spec"]["replicas"] == scale["spec"]["replicas"] == 3
    assert scale["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
    with pytest.raises(ConflictError):
        await kube.scale(namespace, "d", 0, version)
    assert (await kube.get(DEPLOYMENT, namespace, "d"))["spec"]["replicas"] == 3


async def test_delete_takes_that_very_object_and_no_successor(kube: ApiKube, namespace: str) -> None:
    first = (await kube.apply(CONFIG, a_config(namespace)))["metadata"]["uid"]
    answer = await kube.delete(CONFIG, namespace, "c", first)
    await kube.apply(CONFIG, a_config(namespace))

    assert answer["kind"] == "Status"
    with pytest.raises(ConflictError):
        await kube.delete(CONFIG, namespace, "c", first)
    assert (await kube.get(CONFIG, namespace, "c"))["metadata"]["uid"] != first


async def test_what_is_not_there_is_said_so_for_every_verb(kube: ApiKube, namespace: str) -> None:
    absent = a_model_deployment(namespace, "absent") | {"status": {}}
    absent["metadata"]["resourceVersion"] = "1"
    for call in (
        kube.get(CONFIG, namespace, "absent"),
        kube.delete(CONFIG, namespace, "absent", "uid"),
        kube.scale(namespace, "absent", 1, "1"),
        kube.replace_status(MODEL_DEPLOYMENT, absent),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_a_kind_that_the_server_does_not_know_is_not_found(kube: ApiKube) -> None:
    unknown = Kind(name="Boat", group="harbour.example.com", version="v1", plural="boats")

    with pytest.raises(NotFoundError):
        [page async for page in kube.list(unknown, None)]


async def test_create_and_replace_refuse_what_is_there_and_what_has_moved(kube: ApiKube, namespace: str) -> None:
    made = await kube.create(CONFIG, a_config(namespace, a="1"))
    with pytest.raises(ConflictError):
        await kube.create(CONFIG, a_config(namespace, a="1"))

    replaced = await kube.replace(CONFIG, made | {"data": {"a": "2"}})

    assert replaced["data"] == {"a": "2"}
    with pytest.raises(ConflictError):
        await kube.replace(CONFIG, made | {"data": {"a": "3"}})


async def test_a_refusal_carries_the_servers_own_words(kube: ApiKube, namespace: str) -> None:
    wrong = a_deployment(namespace)
    wrong["spec"]["selector"] = {"matchLabels": {"app": "other"}}

    with pytest.raises(KubeError, match=r"selector.*does not match template") as refused:
        await kube.apply(DEPLOYMENT, wrong)

    assert refused.value.status == 422


async def test_a_list_comes_in_pages_that_show_one_moment_with_kinds_and_only_what_is_ours(
    kube: ApiKube, namespace: str, plane: Plane
) -> None:
    plane.kubectl().apply(*(a_config(namespace, f"c-{number}") for number in range(PAGE + 1)))
    plane.kubectl()("-n", namespace, "create", "configmap", "not-ours")

    pages = [page async for page in kube.list(CONFIG, namespace)]

    assert [len(page.items) for page in pages] == [PAGE, 1]
    assert len({page.resource_version for page in pages}) == 1
    assert {(item["apiVersion"], item["kind"]) for page in pages for item in page.items} == {("v1", "ConfigMap")}


async def test_an_event_stands_with_its_object_and_its_message_is_cut_to_what_the_api_takes(
    kube: ApiKube, namespace: str, plane: Plane
) -> None:
    made = await kube.create(MODEL_DEPLOYMENT, a_model_deployment(namespace))
    note = Note(reason="WrongAnswer", message="x" * 5000, warning=True)

    await kube.create_event(event_of(Key(namespace, "churn"), made["metadata"]["uid"], note, datetime.now(UTC)))

    (event,) = plane.kubectl().within(namespace).json("events", "--for", "modeldeployment/churn")["items"]
    assert (event["type"], event["reason"]) == ("Warning", "WrongAnswer")
    assert len(event["message"]) == LONGEST


async def test_what_rbac_refuses_is_forbidden(plane: Plane, calls: CallLog) -> None:
    async with client_of(plane, "tenant", calls) as kube:
        with pytest.raises(ForbiddenError, match="nodes is forbidden"):
            [page async for page in kube.list(NODE, None)]


async def test_a_server_that_is_not_there_is_an_error_of_ours_and_every_call_is_counted(
    plane: Plane, namespace: str, calls: CallLog
) -> None:
    async with client_of(plane, "operator", calls) as kube:
        await kube.apply(CONFIG, a_config(namespace))
        kube._client.configuration.host = "https://127.0.0.1:1"
        with pytest.raises(KubeError, match="NoAnswer"):
            await kube.get(POD, namespace, "p")

    assert calls.calls == [("apply", "ConfigMap", 201), ("get", "Pod", 0)]


def test_events_go_to_the_namespace_of_their_object() -> None:
    assert EVENT.path("shop") == "/api/v1/namespaces/shop/events"
    assert NODE.path() == "/api/v1/nodes"
    assert DEPLOYMENT.path("shop", "d", "scale") == "/apis/apps/v1/namespaces/shop/deployments/d/scale"

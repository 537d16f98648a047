import json
from typing import Any

import pytest

from slipway.api.scalars import quantity
from slipway.core.children.memory import instances
from slipway.core.children.workload import deployment
from slipway.core.names import Manifest
from tests.core.gen import md_spec, owner, platform, resolved

REVISION = "3f2a91bc"


def render(*, bundle: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **spec: Any) -> Manifest:
    return deployment(
        owner=owner(),
        spec=md_spec(**spec),
        resolved=resolved(**(bundle or {})),
        platform=platform(**(settings or {})),
        revision=REVISION,
    )


def pod(**inputs: Any) -> dict[str, Any]:
    found: dict[str, Any] = render(**inputs)["spec"]["template"]["spec"]
    return found


def triton(**inputs: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod(**inputs)["containers"][0]
    return found


def fetch(**inputs: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod(**inputs)["initContainers"][0]
    return found


def volume(name: str, **inputs: Any) -> dict[str, Any] | None:
    return next((v for v in pod(**inputs)["volumes"] if v["name"] == name), None)


def mounts(container: dict[str, Any]) -> dict[str, bool]:
    return {m["mountPath"]: m.get("readOnly", False) for m in container["volumeMounts"]}


def guard(**inputs: Any) -> dict[str, Any]:
    value = next(e["value"] for e in triton(**inputs)["env"] if e["name"] == "SLIPWAY_GUARD")
    found: dict[str, Any] = json.loads(value)
    return found


def source(**inputs: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fetch(**inputs)["env"][0]["value"])
    return found


def test_the_deployment_has_no_count_and_leaves_deadlines_and_history_to_the_operator() -> None:
    whole = render()

    assert whole["metadata"]["name"] == "churn-3f2a91bc"
    assert "replicas" not in whole["spec"]
    assert whole["spec"]["minReadySeconds"] == 10
    assert whole["spec"]["progressDeadlineSeconds"] == 2**31 - 1
    assert whole["spec"]["revisionHistoryLimit"] == 0


def test_the_deployment_selects_the_pods_that_it_makes() -> None:
    spec = render(podMetadata={"labels": {"team": "risk"}})["spec"]

    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_pods_carry_the_users_labels_and_annotations_and_no_other_child_does() -> None:
    whole = render(podMetadata={"labels": {"kueue.x-k8s.io/queue-name": "q"}, "annotations": {"team": "risk"}})

    assert whole["spec"]["template"]["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "q"
    assert whole["spec"]["template"]["metadata"]["annotations"] == {"team": "risk"}
    assert "kueue.x-k8s.io/queue-name" not in whole["metadata"]["labels"]


def test_the_server_runs_behind_the_guard_and_the_fetcher_runs_before_it() -> None:
    assert triton()["command"] == ["python3", "/slipway/guard.pyz"]
    assert triton()["name"] == "triton"
    assert fetch()["args"] == ["fetch"]
    assert fetch()["image"] == "slipway-fetcher:test"


@pytest.mark.parametrize(("asked", "image"), [({}, "slipway-triton-cpu:test"), ({"image": "mine:1"}, "mine:1")])
def test_the_servers_image_is_the_users_or_the_installations(asked: dict[str, Any], image: str) -> None:
    assert triton(server=asked)["image"] == image


def test_the_guard_is_told_the_model_the_deadlines_and_the_arguments() -> None:
    assert guard(
        model={"name": "churn_v", "version": "2026-11", "verification": {"interval": "0s"}},
        server={"requestTimeout": "2m", "startupTimeout": "1h", "args": ["--log-verbose=1"]},
    ) == {
        "model": "churn_v",
        "modelVersion": "2026-11",
        "requestTimeoutSeconds": 120,
        "startupTimeoutSeconds": 3600,
        "intervalSeconds": 0,
        "gpu": False,
        "serverArgs": ["--log-verbose=1"],
    }


def test_the_guard_is_told_the_platforms_least_server_where_it_has_one() -> None:
    assert guard(settings={"least_server_version": "2.51.0"})["leastServerVersion"] == "2.51.0"
    assert "leastServerVersion" not in guard()


def test_the_guard_is_told_what_to_lock_where_the_user_says_so() -> None:
    assert guard(server={"lockedApis": ["Statistics", "ModelConfig"]})["lockedApis"] == ["Statistics", "ModelConfig"]
    assert "lockedApis" not in guard()


def test_the_guard_is_told_defaults_where_the_user_says_nothing() -> None:
    assert guard(accelerator={}) == {
        "model": "churn",
        "modelVersion": "3",
        "requestTimeoutSeconds": 30,
        "startupTimeoutSeconds": 600,
        "intervalSeconds": 60,
        "gpu": True,
        "serverArgs": [],
    }


def test_the_fetcher_is_told_the_source_and_the_bytes_that_the_revision_was_made_of() -> None:
    given = {"uri": "s3://m/c/3", "secretName": "models-read", "s3": {"endpoint": "http://minio:9000"}}

    assert source(model={"source": given}) == {
        "source": {"uri": "s3://m/c/3", "s3": {"endpoint": "http://minio:9000"}},
        "model": "churn",
        "resolved": {"digest": resolved().digest, "size": 10_000_000, "unverified": False},
        "storage": 75 * MIB,
    }


def test_no_text_of_the_spec_is_taken_for_a_reference_to_a_variable() -> None:
    """Kubernetes fills in `$(NAME)` in an environment, and makes `$` of `$$`."""
    text = "$(KUBERNETES_SERVICE_HOST)$$1"
    asked = {
        "model": {"version": text, "source": {"uri": f"s3://models/{text}"}},
        "server": {"args": [f"--id={text}"]},
    }
    for container in (triton(**asked), fetch(**asked)):
        assert "$" not in container["env"][0]["value"]
    assert guard(**asked)["modelVersion"] == text
    assert guard(**asked)["serverArgs"] == [f"--id={text}"]
    assert source(**asked)["source"]["uri"] == f"s3://models/{text}"


def test_the_fetcher_is_told_a_volumes_size_where_no_file_system_has_it() -> None:
    assert source(model={"storage": {"size": "1.5Gi"}})["storage"] == 3 * 2**29
    assert "storage" not in source(model={"storage": {"volume": "Ephemeral", "size": "1.5Gi"}})


DISK = "ephemeral-storage"


@pytest.mark.parametrize(
    ("storage", "given", "request_", "limit"),
    [
        (None, None, "75Mi", f"{75 + 1024 + 39 + 1024}Mi"),
        ({"size": "20Gi"}, None, "20Gi", f"{20 * 1024 + 1024 + 39 + 1024}Mi"),
        ({"volume": "Ephemeral"}, None, "1Mi", f"{1024 + 39 + 1024}Mi"),
        (None, {"limits": {DISK: "9Gi"}}, "75Mi", "9Gi"),
        (None, {"limits": {DISK: "50Mi"}}, "50Mi", "50Mi"),
        (None, {"requests": {DISK: "10Mi"}}, "10Mi", f"{75 + 1024 + 39 + 1024}Mi"),
    ],
    ids=[
        "by the resolved size",
        "by the user's volume",
        "on a claim",
        "a larger limit",
        "a smaller limit",
        "a request",
    ],
)
def test_what_the_fetcher_may_write_is_limited_to_what_the_pods_volumes_and_logs_take(
    storage: dict[str, Any] | None, given: dict[str, Any] | None, request_: str, limit: str
) -> None:
    """The kubelet holds a pod with all its volumes to the largest limit of a container."""
    found = fetch(model={"storage": storage}, server={"resources": given})["resources"]

    assert (found["requests"][DISK], found["limits"][DISK]) == (request_, limit)


def test_credentials_are_mounted_into_the_fetcher_only_and_readable_by_its_group() -> None:
    inputs: dict[str, Any] = {"model": {"source": {"secretName": "models-read"}}}

    assert mounts(fetch(**inputs))["/var/run/slipway/credentials"] is True
    assert "/var/run/slipway/credentials" not in mounts(triton(**inputs))
    assert volume("credentials", **inputs) == {
        "name": "credentials",
        "secret": {"secretName": "models-read", "defaultMode": 0o440},
    }
    assert pod(**inputs)["securityContext"]["fsGroup"] == 1000
    assert volume("credentials") is None


ENCRYPTED: dict[str, Any] = {"model": {"source": {"decryption": {"secretName": "models-key"}}}}


def test_keys_are_mounted_into_the_fetcher_only_and_plaintext_is_in_memory_only() -> None:
    assert mounts(fetch(**ENCRYPTED)) == {
        "/slipway": False,
        "/etc/slipway": True,
        "/tmp": False,
        "/plain": False,
        "/var/run/slipway/identities": True,
    }
    assert mounts(triton(**ENCRYPTED)) == mounts(triton()) | {"/plain": True}
    assert volume("identities", **ENCRYPTED) == {
        "name": "identities",
        "secret": {"secretName": "models-key", "defaultMode": 0o440, "optional": True},
    }
    assert volume("plain", **ENCRYPTED, bundle={"size": 2**30}) == {
        "name": "plain",
        "emptyDir": {"medium": "Memory", "sizeLimit": "1040Mi"},
    }
    assert source(**ENCRYPTED)["source"]["decryption"] == {"secretName": "models-key"}
    assert volume("plain") is volume("identities") is None


@pytest.mark.parametrize(
    ("of", "what"), [(fetch, "limits"), (triton, "limits"), (triton, "requests")], ids=["fetch", "triton", "asked for"]
)
def test_there_is_memory_for_plaintext_beside_what_loads_it(of: Any, what: str) -> None:
    """It counts as memory of the container that wrote it, and of the pod from when that has ended."""
    more, less = (
        int(quantity(of(**inputs, bundle={"size": 2**30})["resources"][what]["memory"])) for inputs in (ENCRYPTED, {})
    )

    assert more - less == 1040 * 2**20


def test_whose_signature_is_asked_for_makes_no_other_pod() -> None:
    """A new key, or a demand that is lifted, restarts nothing."""
    signed: dict[str, Any] = {"model": {"source": {"signature": {"configMapName": "signers"}}}}

    assert pod(**signed) == pod()


def test_a_claim_is_mounted_read_only_in_both_containers_and_not_copied() -> None:
    inputs: dict[str, Any] = {"model": {"source": {"uri": "pvc://models/churn/3"}}, "bundle": {"size": 50 * 2**30}}

    here = {"name": "source", "mountPath": "/source/churn/3", "subPath": "churn/3", "readOnly": True}
    assert here in fetch(**inputs)["volumeMounts"]
    assert here in triton(**inputs)["volumeMounts"]
    assert volume("source", **inputs) == {
        "name": "source",
        "persistentVolumeClaim": {"claimName": "models", "readOnly": True},
    }
    assert volume("bundle", **inputs) == {"name": "bundle", "emptyDir": {"sizeLimit": "64Mi"}}


@pytest.mark.parametrize(
    ("uri", "mounted"),
    [
        ("pvc://models/churn/3", ("/source/churn/3", "churn/3")),
        ("pvc://models/churn/3/", ("/source/churn/3", "churn/3")),
        ("pvc://models/churn/a: b", ("/source", None)),  # Kubernetes mounts nothing at such a path
        ("pvc://models", ("/source", None)),
        ("pvc://models/", ("/source", None)),
    ],
)
def test_of_a_claim_no_more_than_the_bundle_is_mounted(uri: str, mounted: tuple[str, str | None]) -> None:
    inputs: dict[str, Any] = {"model": {"source": {"uri": uri}}}
    for container in (fetch(**inputs), triton(**inputs)):
        [found] = [mount for mount in container["volumeMounts"] if mount["name"] == "source"]
        assert (found["mountPath"], found.get("subPath")) == mounted


def test_only_the_fetcher_writes_the_bundle() -> None:
    assert mounts(fetch()) == {"/slipway": False, "/etc/slipway": True, "/tmp": False}
    assert mounts(triton()) == {"/slipway": True, "/etc/slipway": True, "/tmp": False, "/dev/shm": False}


@pytest.mark.parametrize(
    ("storage", "bundle", "request_"),
    [
        (None, {"emptyDir": {"sizeLimit": "1191Mi"}}, "1191Mi"),
        ({"size": "20Gi"}, {"emptyDir": {"sizeLimit": "20Gi"}}, "20Gi"),
        (
            {"volume": "Ephemeral", "storageClassName": "fast"},
            {
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": "1191Mi"}},
                            "storageClassName": "fast",
                        }
                    }
                }
            },
            None,
        ),
    ],
    ids=["by the resolved size", "by the user", "on a claim"],
)
def test_a_bundle_gets_room_and_the_node_is_asked_for_it(
    storage: dict[str, Any] | None, bundle: dict[str, Any], request_: str | None
) -> None:
    inputs: dict[str, Any] = {"model": {"storage": storage}, "bundle": {"size": 2**30}}

    assert volume("bundle", **inputs) == {"name": "bundle"} | bundle
    assert triton(**inputs)["resources"]["requests"].get("ephemeral-storage") == request_


def test_every_container_is_restricted() -> None:
    spec = pod()

    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False


def test_probes_ask_for_the_verdict_then_the_model_then_the_server_and_say_how_long_they_wait() -> None:
    server = triton(model={"name": "M"}, server={"startupTimeout": "30m"})

    assert server["startupProbe"]["httpGet"] == {"path": "/verified", "port": 8003}
    assert server["readinessProbe"]["httpGet"] == {"path": "/v2/models/M/ready", "port": "http"}
    assert server["livenessProbe"]["httpGet"] == {"path": "/v2/health/live", "port": "http"}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server[probe]["timeoutSeconds"] >= 5
    startup = server["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 30 * 60 + 60


MIB = 2**20
PARTS = [
    {"name": "words", "backend": "python", "instances": 3},
    {"name": "network", "backend": "onnxruntime", "instances": 1, "tensorBytes": 2 * MIB, "maxBatchSize": 16},
]


@pytest.mark.parametrize(
    ("inputs", "seconds"),
    [
        ({}, 10 + 30 + 5 + 2),
        ({"server": {"requestTimeout": "5m"}}, 10 + 300 + 5 + 2),
        ({"model": {"config": {"instances": {"count": 5}}}}, 10 + 30 + 5 + 6),
        ({"bundle": {"model": {"instances": 5}}}, 10 + 30 + 5 + 6),
        ({"bundle": {"model": {"instances": 5}}, "accelerator": {"count": 2}}, 10 + 30 + 5 + 12),
        ({"bundle": {"model": None}}, 10 + 30 + 5 + 2),
        ({"bundle": {"model": {"parts": PARTS}}}, 10 + 30 + 5 + 4),
    ],
    ids=[
        "by default",
        "long requests",
        "instances of the spec",
        "of the bundle",
        "on each device",
        "undeclared",
        "of the part that has most",
    ],
)
def test_a_stopping_pod_has_time_for_endpoints_requests_and_instances(inputs: dict[str, Any], seconds: int) -> None:
    assert pod(**inputs)["terminationGracePeriodSeconds"] == seconds
    assert triton(**inputs)["lifecycle"] == {"preStop": {"sleep": {"seconds": 10}}}


@pytest.mark.parametrize(
    ("inputs", "mebibytes"),
    [
        ({}, 66),  # 64 + 1 + 2.2 x 8 x 8 bytes, rounded up
        ({"bundle": {"model": {"inputs": [["x", "FP32", [256, 1024]]], "maxBatchSize": 0}}}, 64 + 1 + 3),
        ({"bundle": {"model": {"inputs": [["x", "FP32", [256, 1024]]]}}}, 64 + 1 + 18),
        ({"bundle": {"model": {"inputs": [["x", "FP32", [256, -1]]]}}}, 64 + 1 + 18),
        ({"bundle": {"model": {"instances": 4}}}, 64 + 4 + 1),
        ({"model": {"config": {"maxBatchSize": 64}}, "bundle": {"model": {"inputs": [["x", "FP32", [4, 1024]]]}}}, 68),
        ({"bundle": {"model": None}}, 65),
        ({"bundle": {"model": {"parts": PARTS}}}, 64 + 1 + 3 + 72),  # 3, and 1 + 2.2 x 2 x 16
        ({"bundle": {"model": {"parts": PARTS}}, "accelerator": {"count": 2}}, 64 + 2 + 6 + 143),
    ],
    ids=[
        "small",
        "unbatched",
        "batched",
        "unknown dimension",
        "instances",
        "batch of the spec",
        "undeclared",
        "parts",
        "parts on two GPUs",
    ],
)
def test_shared_memory_is_bounded_by_what_the_model_declares(inputs: dict[str, Any], mebibytes: int) -> None:
    assert volume("shm", **inputs) == {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{mebibytes}Mi"}}


def resources(given: dict[str, Any] | None, **inputs: Any) -> tuple[dict[str, str], dict[str, str]]:
    found = triton(server={"resources": given}, bundle={"size": 100 * MIB}, **inputs)["resources"]
    found["requests"].pop("ephemeral-storage")
    return found["requests"], found["limits"]


def test_without_resources_of_the_user_memory_covers_the_bundle_and_shared_memory() -> None:
    assert resources(None) == ({"cpu": "500m", "memory": "612Mi"}, {"memory": f"{2048 + 300 + 66}Mi"})


@pytest.mark.parametrize(
    ("given", "requests", "limits"),
    [
        ({"limits": {"memory": "4Gi"}}, {"cpu": "500m"}, {"memory": "4Gi"}),
        ({"limits": {"cpu": 2, "memory": "4Gi"}}, {}, {"cpu": "2", "memory": "4Gi"}),
        ({"requests": {"memory": "16Gi"}}, {"cpu": "500m", "memory": "16Gi"}, {"memory": f"{16 * 1024 + 66}Mi"}),
        ({"requests": {"cpu": "4"}}, {"cpu": "4", "memory": "612Mi"}, {"memory": "2414Mi"}),
    ],
    ids=["a memory limit", "limits", "a large request", "a CPU request"],
)
def test_resources_of_the_user_win_and_what_is_missing_is_filled_in(
    given: dict[str, Any], requests: dict[str, str], limits: dict[str, str]
) -> None:
    assert resources(given) == (requests, limits)


def test_devices_are_limits_and_requests_of_the_server_and_narrow_where_it_runs() -> None:
    requests, limits = resources(None, accelerator={"count": 2})
    spec = pod(accelerator={"count": 2}, scheduling={"tolerations": [{"key": "mine", "operator": "Exists"}]})

    assert requests["nvidia.com/gpu"] == limits["nvidia.com/gpu"] == "2"
    assert "requiredDuringSchedulingIgnoredDuringExecution" in spec["affinity"]["nodeAffinity"]
    assert spec["tolerations"] == [
        {"key": "mine", "operator": "Exists"},
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
    ]


def test_a_toleration_that_the_user_gave_already_is_not_repeated() -> None:
    ours = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}

    assert pod(accelerator={}, scheduling={"tolerations": [ours]})["tolerations"] == [ours]


def test_a_cpu_pod_sees_no_gpu_and_would_rather_not_sit_beside_one() -> None:
    spec = pod()

    assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"} in triton()["env"]
    assert list(spec["affinity"]["nodeAffinity"]) == ["preferredDuringSchedulingIgnoredDuringExecution"]
    assert "tolerations" not in spec
    assert "NVIDIA_VISIBLE_DEVICES" not in {e["name"] for e in triton(accelerator={})["env"]}


def test_environment_of_the_user_is_handed_through_and_may_say_otherwise_of_gpus() -> None:
    theirs = [
        {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "t", "key": "k"}}},
    ]

    assert triton(server={"env": theirs})["env"][2:] == theirs


def test_environment_that_is_ours_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"server\.env sets SLIPWAY_ROOT: names under SLIPWAY_ are Slipway's own"):
        render(server={"env": [{"name": "SLIPWAY_ROOT", "value": "/x"}, {"name": "MY_SLIPWAY_ROOT", "value": "/x"}]})


def test_pods_of_a_revision_spread_over_nodes_unless_the_user_says_how() -> None:
    theirs = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]

    assert pod()["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "ScheduleAnyway"
    assert (
        pod()["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]
        == render()["spec"]["selector"]["matchLabels"]
    )
    assert pod(scheduling={"topologySpreadConstraints": theirs})["topologySpreadConstraints"] == theirs


def test_scheduling_is_handed_through() -> None:
    spec = pod(
        scheduling={
            "nodeSelector": {"pool": "a"},
            "priorityClassName": "high",
            "runtimeClassName": "nvidia",
            "serviceAccountName": "reader",
        }
    )

    assert spec["nodeSelector"] == {"pool": "a"}
    assert spec["priorityClassName"] == "high"
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["serviceAccountName"] == "reader"


def test_pull_secrets_are_the_users_and_the_installations_each_once() -> None:
    server = {"imagePullSecrets": [{"name": "mine"}, {"name": "both"}]}

    assert pod(server=server, settings={"image_pull_secrets": ("both", "ours")})["imagePullSecrets"] == [
        {"name": "mine"},
        {"name": "both"},
        {"name": "ours"},
    ]


def test_where_a_quota_wants_a_limit_on_processors_the_fetcher_has_one() -> None:
    assert "cpu" not in fetch()["resources"]["limits"]
    limits = fetch(settings={"fetcher_cpu_limit": "500m"})["resources"]["limits"]
    assert (limits["cpu"], limits["memory"]) == ("500m", "1Gi")


@pytest.mark.parametrize(
    ("spec", "copies"),
    [
        ({}, 1),
        ({"accelerator": {"count": 4}}, 4),
        ({"accelerator": {"count": 4}, "model": {"config": {"instances": {"count": 2}}}}, 8),
        ({"accelerator": {"count": 4}, "model": {"config": {"instances": {"count": 2, "gpus": [0, 3]}}}}, 4),
    ],
)
def test_copies_of_the_model_are_counted_by_device(spec: dict[str, Any], copies: int) -> None:
    assert instances(md_spec(**spec), resolved()) == copies

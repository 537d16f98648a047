import json
from datetime import timedelta
from typing import Any

from slipway.core.children.resolve_job import resolve_job
from slipway.core.names import ASK, COMPONENT, REVISION, Manifest
from tests.core.gen import md_spec, owner, platform

ASKED = "8dfb9d7b" + "0" * 56
DEADLINE = timedelta(minutes=10)


def render(*, settings: dict[str, Any] | None = None, **spec: Any) -> Manifest:
    return resolve_job(
        owner=owner(), spec=md_spec(**spec), ask=ASKED, platform=platform(**(settings or {})), deadline=DEADLINE
    )


def pod(**inputs: Any) -> dict[str, Any]:
    found: dict[str, Any] = render(**inputs)["spec"]["template"]["spec"]
    return found


def container(**inputs: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod(**inputs)["containers"][0]
    return found


def test_the_job_is_named_and_labelled_by_its_ask_and_selected_as_no_server() -> None:
    whole = render()

    assert whole["metadata"]["name"] == "churn-8dfb9d7b"
    for labels in (whole["metadata"]["labels"], whole["spec"]["template"]["metadata"]["labels"]):
        assert labels[ASK] == ASKED[:63]
        assert labels[COMPONENT] == "resolver"
        assert REVISION not in labels


def test_the_job_tries_once_within_its_deadline_and_cleans_up_behind_itself() -> None:
    spec = render()["spec"]

    assert spec["backoffLimit"] == 0
    assert spec["activeDeadlineSeconds"] == 600
    assert spec["ttlSecondsAfterFinished"] == 600
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_the_job_is_told_the_source_and_no_bytes_to_expect() -> None:
    asked = json.loads(
        container(model={"source": {"secretName": "models-read", "digest": "sha256:" + "1" * 64}})["env"][0]["value"]
    )

    assert container()["args"] == ["resolve"]
    assert asked == {
        "source": {"uri": "s3://models/churn/3", "digest": "sha256:" + "1" * 64},
        "model": "churn",
    }


def test_the_job_reads_credentials_and_claims_as_the_fetcher_does() -> None:
    with_secret = pod(model={"source": {"secretName": "models-read"}})
    on_claim = pod(model={"source": {"uri": "pvc://models/churn/3"}})

    assert {"name": "credentials", "mountPath": "/var/run/slipway/credentials", "readOnly": True} in with_secret[
        "containers"
    ][0]["volumeMounts"]
    assert [v["name"] for v in with_secret["volumes"]] == ["tmp", "credentials"]
    assert {"name": "source", "mountPath": "/source", "readOnly": True} in on_claim["containers"][0]["volumeMounts"]
    assert [v["name"] for v in on_claim["volumes"]] == ["tmp", "source"]


SIGNED: dict[str, Any] = {"model": {"source": {"signature": {"configMapName": "signers"}}}}


def test_the_job_is_told_whose_signature_is_asked_for_and_gets_the_keys() -> None:
    asked = json.loads(container(**SIGNED)["env"][0]["value"])

    assert asked["source"]["signature"] == {"configMapName": "signers", "threshold": 1, "mode": "Require"}
    assert {"name": "keys", "mountPath": "/var/run/slipway/keys", "readOnly": True} in container(**SIGNED)[
        "volumeMounts"
    ]


def test_the_job_gets_no_secret_key() -> None:
    spec = pod(model={"source": {"decryption": {"secretName": "models-key"}}})

    assert [volume["name"] for volume in spec["volumes"]] == ["tmp"]
    assert len(spec["containers"][0]["volumeMounts"]) == 1


def test_keys_that_are_missing_are_the_jobs_to_tell_in_seconds() -> None:
    volume = {"name": "keys", "configMap": {"name": "signers", "optional": True}}

    assert pod(**SIGNED)["volumes"][1] == volume


def test_the_job_asks_for_no_gpu_and_does_not_run_where_only_gpus_are_asked_for() -> None:
    spec = pod(accelerator={"products": ["NVIDIA-H100-80GB-HBM3"]}, scheduling={"runtimeClassName": "nvidia"})

    assert "affinity" not in spec
    assert "tolerations" not in spec
    assert "runtimeClassName" not in spec
    assert set(spec["containers"][0]["resources"]["limits"]) == {"memory"}


def test_the_job_runs_where_and_as_whom_the_user_says() -> None:
    toleration = {"key": "pool", "operator": "Exists"}

    spec = pod(
        scheduling={"nodeSelector": {"pool": "a"}, "tolerations": [toleration], "serviceAccountName": "reader"},
        server={"imagePullSecrets": [{"name": "mine"}]},
        settings={"image_pull_secrets": ("ours",)},
    )

    assert spec["nodeSelector"] == {"pool": "a"}
    assert spec["tolerations"] == [toleration]
    assert spec["serviceAccountName"] == "reader"
    assert spec["imagePullSecrets"] == [{"name": "mine"}, {"name": "ours"}]


def test_the_jobs_pod_takes_no_metadata_of_the_user() -> None:
    metadata = render(podMetadata={"labels": {"queue": "q"}, "annotations": {"mesh": "on"}})["spec"]["template"][
        "metadata"
    ]

    assert "annotations" not in metadata
    assert "queue" not in metadata["labels"]


def test_the_jobs_pod_is_restricted_and_its_last_words_are_kept() -> None:
    assert container()["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert container()["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_where_a_quota_wants_a_limit_on_processors_the_jobs_container_has_one() -> None:
    assert "cpu" not in container()["resources"]["limits"]
    assert container(settings={"fetcher_cpu_limit": "2"})["resources"]["limits"] == {"cpu": "2", "memory": "512Mi"}

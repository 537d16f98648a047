"""What `make demo-update` lays out, and what it takes for a chain of evidence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.evidence import Evidence
from testbed.kubectl import Kubectl
from testbed.updating import RETRAIN, Retraining, champion, month

DATA = "contract,months,fee,left\nyear,3,15.0,0\n"
DATA_DIGEST = "sha256:a3976ca772c8b4aa383953a51a42ac76b654a0d6acac61e1415db480af1fc050"
DIGEST = "sha256:" + "5" * 64
WHOLE = Evidence(
    version={
        "digest": DIGEST,
        "sources": [{"uri": "s3://models/churn/2026-10"}],
        "card": {
            "metrics": [{"name": "f1", "value": "0.907"}],
            "lineage": {"data": DATA_DIGEST, "commit": "4f2a9c1", "version": "2026-09"},
        },
    },
    revision={"revision": "ab12cd34", "digest": DIGEST, "signed": "by team.pem (sha256:0123456789ab)"},
    key="0123456789ab" + "c" * 52,
    held=("a", "b"),
    answers={"a": ["leaves 0.1 0.9"], "b": ["leaves 0.1 0.9"]},
)


@pytest.fixture
def retraining() -> Retraining:
    return Retraining(Kubectl(Path("none"), "none"), "slipway.dev/trainer:1", "mine")


def test_the_examples_manifests_are_laid_out_with_another_image_place_and_address(retraining: Retraining) -> None:
    *account, job = retraining.cron_job()
    assert account == list(yaml.safe_load_all((RETRAIN / "cronjob.yaml").read_text()))[:-1]
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == retraining.image
    assert "s3://models/mine/churn/$$(version)" in pod["containers"][0]["args"]
    assert {"name": "data", "configMap": {"name": "customers"}} in pod["volumes"]
    assert all("persistentVolumeClaim" not in volume for volume in pod["volumes"])
    source = retraining.follower()["spec"]["model"]["source"]
    assert source["uri"] == "s3://models/mine/churn/$(version)"
    keys = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    assert source["secretName"] not in keys


def test_a_bad_month_has_the_same_customers_and_other_labels() -> None:
    right, wrong = (month(2, shuffled=shuffled).splitlines() for shuffled in (False, True))
    assert [row.rpartition(",")[0] for row in right] == [row.rpartition(",")[0] for row in wrong]
    assert right != wrong
    assert right[0] == "contract,months,fee,left"


def test_git_says_of_a_model_its_champion_and_no_more() -> None:
    assert yaml.safe_load(champion("2026-10"))["spec"] == {"aliases": {"champion": "2026-10"}}


def test_a_whole_chain_has_no_gap_and_is_told() -> None:
    assert WHOLE.gaps(DATA) == []
    told = dict(WHOLE.rows())
    assert told["ModelVersion: continues"] == "2026-09"
    assert told["public key"] == f"sha256:{WHOLE.key}"
    assert told["pod b"] == "leaves 0.1 0.9"


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"key": "f" * 64}, "it is signed by another key"),
    ({"revision": {**WHOLE.revision, "signed": None}}, "it is signed by another key"),
    ({"revision": {**WHOLE.revision, "digest": "sha256:" + "6" * 64}}, "another digest serves"),
    ({"held": ("a",)}, "a pod would take another digest"),
    ({"answers": {"a": ["leaves 0.1 0.9"], "b": ["stays 0.9 0.1"]}}, "its pods do not give one answer"),
    ({"answers": {}, "held": ()}, "its pods do not give one answer"),
]


@pytest.mark.parametrize(("changed", "gap"), BROKEN)
def test_each_link_that_is_missing_is_a_gap(changed: dict[str, Any], gap: str) -> None:
    assert replace(WHOLE, **changed).gaps(DATA) == [gap]


def test_other_data_is_a_gap() -> None:
    assert WHOLE.gaps(DATA + "year,4,15.0,0\n") == ["it was trained on other data"]

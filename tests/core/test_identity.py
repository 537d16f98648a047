import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.core.identity import ask, asked, revision_of
from tests.core.gen import md_spec

FROZEN = json.loads((Path(__file__).parent / "frozen_asks.json").read_text())

SPELLED_OUT: dict[str, Any] = {
    "model": {"verification": {"interval": "60s"}, "config": {}, "storage": {"volume": "EmptyDir"}},
    "server": {
        "requestTimeout": "30s",
        "startupTimeout": "10m",
        "args": [],
        "env": [],
        "imagePullSecrets": [],
        "resources": {"requests": {}, "limits": {}},
    },
    "scheduling": {"nodeSelector": {}, "tolerations": [], "topologySpreadConstraints": []},
    "podMetadata": {"labels": {}, "annotations": {}},
}


@pytest.mark.parametrize("case", FROZEN, ids=lambda case: case["name"])
def test_the_ask_of_a_frozen_spec_never_changes(case: dict[str, Any]) -> None:
    assert ask(ModelDeploymentSpec.model_validate(case["spec"])) == case["ask"]


def test_the_frozen_specs_ask_for_twenty_different_things() -> None:
    assert len({case["ask"] for case in FROZEN}) == 20


@given(st.sets(st.sampled_from(sorted(SPELLED_OUT))))
def test_a_default_that_is_spelled_out_asks_for_the_same(sections: set[str]) -> None:
    assert ask(md_spec(**{name: SPELLED_OUT[name] for name in sections})) == ask(md_spec())


def test_what_is_default_is_left_out_of_what_is_asked() -> None:
    assert asked(md_spec(**SPELLED_OUT)) == {"model": {"version": "3", "source": {"uri": "s3://models/churn/3"}}}


@given(st.randoms(use_true_random=False), st.sampled_from(FROZEN))
def test_the_order_of_keys_says_nothing(random: Any, case: dict[str, Any]) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, list):
            return [shuffled(item) for item in value]
        if not isinstance(value, dict):
            return value
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key]) for key in keys}

    assert ask(ModelDeploymentSpec.model_validate(shuffled(case["spec"]))) == case["ask"]


@pytest.mark.parametrize(
    "unasked",
    [
        {"replicas": 7},
        {"suspend": True},
        {"rollout": {"historyLimit": 3}},
        {"autoscaling": {"maxReplicas": 4, "metrics": [{"type": "Resource"}]}},
        {"traffic": {"allowFrom": [{"podSelector": {}}]}},
        {"model": {"source": {"signature": {"configMapName": "signers"}}}},
        {"model": {"source": {"signature": {"configMapName": "signers", "threshold": 2, "mode": "Warn"}}}},
    ],
    ids=str,
)
def test_what_acts_on_revisions_that_exist_is_not_in_the_ask(unasked: dict[str, Any]) -> None:
    assert ask(md_spec(**unasked)) == ask(md_spec())


@pytest.mark.parametrize(
    "meaning",
    [
        {"accelerator": {}},
        {"model": {"config": {"dynamicBatching": {}}}},
        {"model": {"config": {"instances": {"count": 1}}}},
        {"scheduling": {"affinity": {"podAntiAffinity": {}}}},
        {"server": {"env": [{"name": "EMPTY", "value": ""}]}},
        {"server": {"requestTimeout": "31s"}},
        {"model": {"source": {"decryption": {"secretName": "models-key"}}}},
    ],
    ids=str,
)
def test_what_means_something_though_it_looks_empty_or_default_is_in_the_ask(meaning: dict[str, Any]) -> None:
    assert ask(md_spec(**meaning)) != ask(md_spec())


def test_a_selector_that_a_user_left_empty_is_kept_as_it_is() -> None:
    everything = {"podAntiAffinity": {"x": [{"labelSelector": {}, "topologyKey": "zone"}]}}

    assert asked(md_spec(scheduling={"affinity": everything}))["scheduling"]["affinity"] == everything


@pytest.mark.parametrize(
    ("count", "changed"),
    [({"ask": "b" * 64}, True), ({"digest": "sha256:2"}, True), ({"children": [{"kind": "Other"}]}, True), ({}, False)],
    ids=["ask", "digest", "children", "nothing"],
)
def test_a_revision_differs_with_its_ask_its_digest_or_its_children(count: dict[str, Any], changed: bool) -> None:
    made_of: dict[str, Any] = {"ask": "a" * 64, "digest": "sha256:1", "children": [{"kind": "Service"}]}

    assert (revision_of(**made_of) != revision_of(**(made_of | count))) is changed
    assert len(revision_of(**made_of)) == 8

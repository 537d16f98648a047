"""Text is text. Whatever stands in a spec, a bundle or a server's last words is read back as it was written."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.controller.events import event_of
from slipway.controller.kinds import BY_NAME, DEPLOYMENT, MODEL_DEPLOYMENT, Key
from slipway.controller.kube import ApiKube, yaml_text
from slipway.core.observed.termination_message import answer, verdict
from slipway.core.plan import Note
from testbed.plane import Plane
from tests.controller.conftest import a_model_deployment
from tests.controller.manifests import a_config, a_deployment

SAMPLES = {
    "an emoji": "great 😀🚀",
    "the ends of the planes": "\ufffd\ufffe\uffff\U00010000\U0010ffff",
    "line ends of other scripts": "a\x85b\u2028c\u2029d\r\n\te",
    "control characters": "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0)))),
    "a byte order mark": "\ufeffx",
    "what looks like an escape": r"\ud83d\ude00 \\ud83d \u0085 \n",
    "what YAML reads otherwise": "yes no null ~ 1e3 0x10 : - # & * ! | > % @ ` { } [ ] ' \"",
    "several scripts": "Ünïcødé мир 你好 שלום नमस्ते",
}
LONE = "a\ud83db\udc00c"
"""Halves of characters: JSON's escapes can write them, UTF-8 cannot."""

CHARACTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.lists(CHARACTERS, max_size=8))
def test_what_is_sent_is_json_and_is_yaml_and_both_say_the_same(texts: list[str]) -> None:
    sent = yaml_text({"texts": texts})

    assert json.loads(sent) == {"texts": texts}
    assert yaml.safe_load(sent) == {"texts": texts}
    assert all(" " <= letter <= "~" or letter > "\uffff" for letter in sent)


def test_half_a_character_is_sent_as_the_sign_for_one_that_cannot_be_read() -> None:
    assert json.loads(yaml_text([LONE])) == ["a\ufffdb\ufffdc"]


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_a_verdict_is_told_in_its_own_words(text: str) -> None:
    termination_message = json.dumps({"reason": "LoadFailed", "message": text})

    read = verdict(termination_message)

    assert read
    assert read.message == text


def test_half_a_character_in_a_termination_message_is_none_by_the_time_that_it_is_kept() -> None:
    kept = answer(json.dumps({"message": LONE, "resolved": {"asks": [LONE, {LONE: ["😀"]}]}}))

    assert kept == {"message": "a?b?c", "resolved": {"asks": ["a?b?c", {"a?b?c": ["😀"]}]}}


@pytest.mark.plane
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=st.lists(CHARACTERS, min_size=1, max_size=40))
async def test_any_text_is_read_back_as_it_was_applied(kube: ApiKube, namespace: str, texts: list[str]) -> None:
    data = {f"k{number}": text for number, text in enumerate(texts)}

    await kube.apply(BY_NAME["ConfigMap"], a_config(namespace, **data))

    assert (await kube.get(BY_NAME["ConfigMap"], namespace, "c"))["data"] == data


@pytest.mark.plane
@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
async def test_each_kind_of_write_keeps_its_text(kube: ApiKube, namespace: str, plane: Plane, text: str) -> None:
    revision = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "r", "namespace": namespace, "annotations": {"said": text}},
        "revision": 1,
        "data": {"asks": [{"data": [text], text[:20]: 1}]},
    }
    deployment = a_deployment(namespace)
    deployment["spec"]["template"]["metadata"]["annotations"] = {"said": text}
    job = a_job(namespace, text)
    made = await kube.create(MODEL_DEPLOYMENT, a_model_deployment(namespace))
    meta = {key: made["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "LoadFailed",
        "message": text,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {"observedGeneration": 1, "phase": "Pending", "lastNumber": 0, "conditions": [condition]}
    whole = {"apiVersion": made["apiVersion"], "kind": made["kind"], "metadata": meta, "status": status}
    note = Note(reason="LoadFailed", message=text, warning=True)

    kept = await kube.apply(BY_NAME["ControllerRevision"], revision)
    pods = await kube.apply(DEPLOYMENT, deployment)
    tried = await kube.apply(BY_NAME["Job"], job)
    written = await kube.replace_status(MODEL_DEPLOYMENT, whole)
    await kube.create_event(event_of(Key(namespace, "churn"), meta["uid"], note, datetime.now(UTC)))

    assert kept["data"] == revision["data"]
    assert kept["metadata"]["annotations"] == {"said": text}
    assert pods["spec"]["template"]["metadata"]["annotations"] == {"said": text}
    assert tried["spec"]["template"]["spec"]["containers"][0]["args"] == [text]
    assert written["status"]["conditions"][0]["message"] == text
    (event,) = plane.kubectl().within(namespace).json("events")["items"]
    assert event["message"] == text


def a_job(namespace: str, text: str) -> dict[str, Any]:
    container = {"name": "resolve", "image": "i:1", "args": [text], "env": [{"name": "SAID", "value": text}]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    meta = {"name": "j", "namespace": namespace}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": template}}

import json
from copy import deepcopy
from typing import Any

import pytest

from slipway.core.children.revision import RevisionRecord, controller_revision, render
from slipway.core.identity import ask, asked
from slipway.core.names import ASK, REVISION
from tests.core.gen import md_spec, owner, platform, resolved

GOLDEN = {
    "requests": [
        {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [7]}],
        }
    ]
}


def made(
    *, bundle: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **spec: Any
) -> RevisionRecord:
    whole = md_spec(**spec)
    return render(
        owner=owner(),
        spec=whole,
        ask=ask(whole),
        resolved=resolved(**(bundle or {})),
        platform=platform(**(settings or {})),
    )


def test_a_revision_is_a_config_map_a_service_and_a_deployment_of_one_name() -> None:
    record = made()

    assert [child["kind"] for child in record.children] == ["ConfigMap", "Service", "Deployment"]
    for child in record.children:
        assert child["metadata"]["name"] == f"churn-{record.revision}"
        assert child["metadata"]["labels"][REVISION] == record.revision
        assert set(child["metadata"]) == {"name", "labels"}


def test_nothing_of_the_placeholder_is_left_in_a_revision() -> None:
    assert "0" * 8 not in json.dumps(made().children)


def test_the_same_inputs_make_the_same_revision() -> None:
    assert made() == made()


@pytest.mark.parametrize(
    "other",
    [
        {"bundle": {"digest": "sha256:" + "cd" * 32}},
        {"settings": {"server_image": "triton:2"}},
        {"settings": {"fetcher_image": "fetcher:2"}},
        {"model": {"version": "4"}},
    ],
    ids=["digest", "server image", "fetcher image", "version"],
)
def test_another_input_makes_another_revision(other: dict[str, Any]) -> None:
    assert made(**other).revision != made().revision


def test_what_is_not_asked_of_a_revision_makes_no_other() -> None:
    assert made(replicas=5, suspend=True, settings={"version": "9.9.9"}).revision == made().revision


def test_the_config_map_holds_what_the_spec_says_of_the_model() -> None:
    config = {"maxBatchSize": 4, "dynamicBatching": {}}

    config_map = made(model={"config": config, "verification": GOLDEN}).children[0]

    assert config_map["immutable"] is True
    assert json.loads(config_map["data"]["overlay.json"]) == config
    assert json.loads(config_map["data"]["golden.json"]) == GOLDEN


def test_the_config_map_is_empty_when_the_spec_leaves_all_to_the_bundle() -> None:
    assert "data" not in made(model={"verification": {"interval": "10s"}}).children[0]


@pytest.mark.parametrize(
    ("inputs", "where"),
    [
        ({"model": {"verification": GOLDEN}}, "spec"),
        ({}, "bundle"),
        ({"bundle": {"golden": 0}}, "none"),
    ],
    ids=["spec", "bundle", "none"],
)
def test_a_revision_says_where_its_golden_requests_come_from(inputs: dict[str, Any], where: str) -> None:
    assert made(**inputs).verification == where


def test_a_controller_revision_gives_back_what_was_put_into_it() -> None:
    record = made(accelerator={"count": 2}, bundle={"model": None})

    stored = json.loads(json.dumps(controller_revision(record, owner=owner(), number=7)))

    assert RevisionRecord.from_controller_revision(stored) == record


def test_a_controller_revision_is_labelled_numbered_and_says_what_it_was_made_of() -> None:
    spec = md_spec()

    stored = controller_revision(made(), owner=owner(), number=7)

    assert stored["metadata"]["name"] == f"churn-{made().revision}"
    assert stored["metadata"]["labels"][ASK] == ask(spec)[:63]
    assert stored["metadata"]["labels"][REVISION] == made().revision
    assert stored["revision"] == 7
    assert stored["data"]["ask"] == ask(spec)
    assert stored["data"]["asked"] == asked(spec)
    assert stored["data"]["version"] == "3"
    assert stored["data"]["platform"] == "0.1.0"


def broken(**change: Any) -> dict[str, Any]:
    body = deepcopy(controller_revision(made(), owner=owner(), number=1))
    body["data"] = {k: v for k, v in (body["data"] | change).items() if v is not None}
    return body


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (broken(format=3), "has format 3, this operator reads 1 and 2: run the operator's version that wrote it"),
        (broken(format=None), "has format None"),
        (broken(format=[1]), "has format"),
        (broken(format=2), "lacks one ConfigMap, one Deployment, one ResourceClaimTemplate, one Service"),
        (broken(children=None), "lacks 'children': somebody else wrote it"),
        (broken() | {"data": None}, "has format None"),
        (broken(resolved={}), "digest"),
    ],
    ids=["a later format", "no format", "a list as its format", "no template", "no children", "no data", "no digest"],
)
def test_a_controller_revision_that_cannot_be_read_is_refused_in_a_sentence(
    body: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        RevisionRecord.from_controller_revision(body)

"""What a cluster hands out is read whatever a tenant has written into an object: it costs nobody but that object."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from slipway.catalogue import cluster
from slipway.cli.reading import DEEPEST, TOO_DEEP, read
from slipway.cli.watching import _objects
from slipway.console import api_server
from slipway.program import main
from tests.cli.scenes import scene
from tests.cli.speaking import kubectl_says


def nested(levels: int, opening: str = '{"a":', closing: str = "}") -> str:
    return opening * levels + "1" + closing * levels


DEEP = [
    nested(DEEPEST + 1),
    nested(DEEPEST + 1, "[", "]"),
    nested(990),
    nested(100_000),
    nested(100_000, "[", "]"),
    nested(5_000, '[{"]}\\"[[{": ', "}]"),
]


def of_two(deep: str) -> str:
    """A list of models, the first of which has that in its affinity."""
    good = scene("serving").body
    bad = {**good, "metadata": {"name": "bad", "namespace": "team-a"}}
    text = json.dumps({"kind": "List", "items": [{**bad, "spec": {**bad["spec"], "affinity": "HERE"}}, good]})
    return text.replace('"HERE"', deep)


@pytest.mark.parametrize("deep", DEEP)
def test_what_is_nested_too_deep_is_a_sentence_and_all_else_is_read(deep: str) -> None:
    first, second = read(of_two(deep))["items"]
    assert (first["metadata"]["name"], second) == ("bad", scene("serving").body)
    assert TOO_DEEP in yaml.safe_dump(first, width=1 << 20)


@pytest.mark.parametrize("text", ["7", '"[[["', "[]", nested(DEEPEST), '{"a": "\\ud83d\\ude00", "b": [1.5, null]}'])
def test_what_is_not_is_read_as_it_is(text: str) -> None:
    assert read(text) == read(text.encode()) == json.loads(text)


@pytest.mark.parametrize("text", ["", "x", "[" * 5_000, "]" * 5_000, "[" * 5_000 + "x" + "]" * 5_000 + "}", b"\xff["])
def test_what_is_no_json_is_none(text: str | bytes) -> None:
    with pytest.raises(json.JSONDecodeError):
        read(text)


def readers() -> dict[str, Any]:
    return {
        "console": lambda text: api_server._object(text.encode()),
        "catalogue": lambda text: cluster._object(text.encode()),
        "watch": lambda text: next(_objects([f"{text}\n"])),
    }


@pytest.mark.parametrize("who", readers())
@pytest.mark.parametrize("deep", DEEP)
def test_everybody_reads_a_list_so(who: str, deep: str) -> None:
    found = readers()[who](of_two(deep))
    assert [each["metadata"]["name"] for each in found["items"]] == ["bad", "churn"]


def test_a_watch_goes_on_after_what_is_no_json() -> None:
    lines = ["{\n", '  "a": x\n', "}\n", "{\n", '  "b": 1\n', "}\n"]
    assert list(_objects(lines)) == [{"b": 1}]


@pytest.mark.parametrize("form", ["text", "json", "yaml", "name"])
@pytest.mark.parametrize("deep", DEEP)
def test_list_shows_the_others_and_the_bad_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str, deep: str
) -> None:
    kubectl_says(monkeypatch, tmp_path, of_two(deep))
    told = CliRunner().invoke(main, ["list", "-A", "-o", form], catch_exceptions=False)
    assert (told.exit_code, "bad" in told.output, "churn" in told.output) == (0, True, True)

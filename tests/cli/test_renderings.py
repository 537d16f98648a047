"""What the commands draw: golden files, widths, terminals without colour or Unicode, and hostile words."""

import copy
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.cli.answers import Answers, Asked, Outcome, Shown, failed
from slipway.cli.draw_answers import answers_of
from slipway.cli.draw_pages import history_of, list_of, why_of
from slipway.cli.draw_tree import tree_of
from slipway.cli.history import history
from slipway.cli.listing import rows
from slipway.cli.live import in_a_line, picture
from slipway.cli.model import Model
from slipway.cli.screen import Screen, drawn
from slipway.cli.tree import document, tree
from slipway.cli.watching import Seen
from slipway.cli.why import why
from slipway.core.reasons import Reason
from slipway.guard.printable import STEERS
from testbed import yamls
from tests.cli.scenes import CLUSTERS, GOLDEN, LATER, answers, drawings, scene
from tests.gitops.rules import ARGOCD
from tests.gitops.states import STATES

NARROW = Screen(width=40)
CLEAR = "\x1b[2J\x1b]0;owned\x07"
TURNED = "\u202egpj.exe\u2066\u200f"


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yamls.load((ARGOCD / "testdata" / f"{name}.yaml").read_text())
    return found


def drawn_tree(body: dict[str, Any], pods: list[dict[str, Any]], on: Screen) -> str:
    return drawn(tree_of(tree(Model.read(body, pods)), on, LATER), on)


def steers(text: str) -> list[str]:
    """Characters that a terminal obeys, but for the ends of lines."""
    return STEERS.findall(text.replace("\n", ""))


def test_drawings_are_the_golden_files() -> None:
    stored = {path.name: path.read_text() for path in GOLDEN.glob("*.txt")}
    assert stored == drawings(), "`python -m tests.cli.scenes` draws them anew; look at what changed"


@pytest.mark.parametrize("width", [20, 40, 80])
@pytest.mark.parametrize("name", STATES)
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    on = Screen(width=width)
    body = sample(name)
    text = drawn_tree(body, [], on) + drawn(why_of(why(Model.read(body)), LATER), on)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("name", CLUSTERS)
def test_ascii_and_colour_change_no_words(name: str) -> None:
    each = scene(name)
    plain = drawn_tree(each.body, each.pods, Screen())
    ascii_ = drawn_tree(each.body, each.pods, Screen(unicode=False))
    colour = drawn_tree(each.body, each.pods, Screen(color=True))
    assert ascii_.isascii()
    assert re.findall(r"[\w./]{3,}", ascii_) == re.findall(r"[\w./]{3,}", plain)
    assert "\x1b[" in colour
    assert re.sub(r"\x1b\[[0-9;]*m", "", colour) == plain


def hostile(value: Any, words: str) -> Any:
    """An object all of whose texts of more than a word, names and versions carry hostile words."""
    if isinstance(value, dict):
        return {key: f"{each}{words}" if key in _WORDS else hostile(each, words) for key, each in value.items()}
    return [hostile(each, words) for each in value] if isinstance(value, list) else value


def _said(words: str) -> Answers:
    """A model whose answer, and its revision, are a stranger's."""
    tensor = Shown(name=words, datatype="BYTES", shape=(1,), data=[words])
    each = Asked(request=words, outcome=Outcome.ANSWERED, words=words, expected=[], outputs=[tensor])
    return replace(answers(), version=words, pod=words, asked=[each], remarks=[words])


_WORDS = {"message", "version", "name", "nodeName", "outcome", "request", "namespace", "uri"}


@pytest.mark.parametrize("words", [CLEAR, TURNED, "\r\n\x9b2J", "[bold]x[/bold]", ":warning:", "\ud800", "\u2028x"])
@pytest.mark.parametrize("on", [Screen(), NARROW, Screen(unicode=False), Screen(width=80, unicode=False)])
def test_hostile_words_steer_no_terminal(words: str, on: Screen) -> None:
    each = scene("canary-measured")
    body, pods = hostile(each.body, words), hostile(each.pods, words)
    model = Model.read(body, pods)
    events = [{"type": "Warning", "reason": words, "message": words, "involvedObject": {"kind": words}}]
    told = [
        drawn(answers_of(_said(words), on), on),
        drawn_tree(body, pods, on),
        drawn(why_of(why(model, events), LATER), on),
        drawn(list_of(rows([body]), on, LATER, everywhere=True), on),
        drawn(history_of(history(model, [hostile(each.stored[0], words)]), on, LATER), on),
        in_a_line(tree(model)),
        picture(Seen(model=body, lost=words), words, on, LATER),
    ]
    for text in told:
        assert steers(text) == []
        text.encode()
    if words.startswith(("[", ":")):
        assert words in drawn_tree(body, pods, Screen())


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_no_value_of_a_status_breaks_a_view(value: Any) -> None:
    each = scene("canary-measured")
    for field in ("rollout", "revisions", "conditions", "phase", "requests"):
        body = copy.deepcopy(each.body)
        body["status"][field] = value
        model = Model.read(body, each.pods)
        assert steers(drawn(tree_of(tree(model), NARROW, LATER), NARROW)) == []
        assert steers(drawn(why_of(why(model), LATER), NARROW)) == []
        drawn(list_of(rows([body]), NARROW, LATER, everywhere=False), NARROW)


def test_what_a_later_operator_writes_is_named_and_the_rest_is_shown() -> None:
    each = scene("canary-measured")
    each.body["status"]["rollout"]["phase"] = "Levitating"
    each.body["spec"]["antigravity"] = True
    text = drawn_tree(each.body, each.pods, Screen(width=100))
    assert "status.rollout, spec cannot be read by this version of the command" in text
    assert "22222222  Candidate  10 %  1/1 pods" in text


def test_a_reason_of_a_later_operator_is_told_in_its_words() -> None:
    body = sample("refused")
    for condition in body["status"]["conditions"]:
        condition["reason"] = "FromTheFuture"
    text = drawn(why_of(why(Model.read(body)), LATER), Screen(width=200))
    assert "FromTheFuture" in text
    assert "golden/a.json: y[0] is 5" in text
    assert "slipway version" in text


@pytest.mark.parametrize("reason", Reason)
def test_why_has_the_remedy_of_each_reason_as_plain_text(reason: Reason) -> None:
    body = sample("refused")
    for condition in body["status"]["conditions"]:
        condition["reason"] = reason.value
    view = why(Model.read(body))
    assert view.what_to_do
    assert not re.search(r"\]\(|`", view.what_to_do + view.meaning)


def test_a_thousand_models_are_a_thousand_lines() -> None:
    body = sample("ready")
    many = [copy.deepcopy(body) for _ in range(1000)]
    for number, each in enumerate(many):
        each["metadata"]["name"] = f"model-{number:04}"
    text = drawn(list_of(rows(many), Screen(width=120), LATER, everywhere=True), Screen(width=120))
    assert len(text.splitlines()) == 1001
    assert len({len(line.split()) for line in text.splitlines()}) == 1


def test_fifty_revisions_are_fifty_lines_newest_first() -> None:
    each = scene("serving")
    stored = []
    for number in range(1, 51):
        one = copy.deepcopy(each.stored[0])
        one["metadata"]["name"], one["revision"] = f"churn-{number:08x}", number
        stored.append(one)
    text = drawn(history_of(history(each.model, stored), Screen(width=120), LATER), Screen(width=120))
    assert [line.split()[0] for line in text.splitlines()] == ["#", *map(str, range(50, 0, -1))]


def test_of_many_pods_those_that_are_not_ready_are_all_shown() -> None:
    each = scene("serving")
    text = drawn_tree(each.body, each.pods, Screen(width=120))
    assert "churn-11111111-7  ended: BackendDead" in text
    assert "and 3 more that are ready" in text


def test_a_model_without_pods_that_may_be_seen_has_its_revisions() -> None:
    text = drawn_tree(scene("canary-paused").body, [], Screen(width=80))
    assert "4  #2 22222222  Candidate  10 %  1/1 pods" in text


def test_a_view_for_programs_has_the_apis_words() -> None:
    found = json.loads(json.dumps(document(tree(scene("canary-paused").model))))
    assert found["phase"] == "Paused"
    assert found["revisions"][0]["pods"][0]["golden"] is True
    assert found["steps"][1] == {"words": "pause 5m", "mark": "now"}
    ends = {"what": "the end of the pause", "until": "2026-01-05T12:05:00Z", "then": "then weight 50 %"}
    assert found["awaited"] == ends


def test_a_cluster_that_is_lost_is_told_above_what_was_seen_last() -> None:
    each = scene("canary-paused")
    state = Seen(model=each.body, lost="the cluster does not answer", lost_at=each.now)
    text = picture(state, "churn", Screen(width=80), each.now)
    assert text.startswith("since 12:01:30 UTC no answer, trying again")
    assert "Candidate  10 %" in text
    assert picture(Seen(), "churn", Screen(), each.now) == "churn: not there; waiting for it\n"


@pytest.mark.parametrize(
    ("outputs", "shown"),
    [
        ([Shown(name="y", datatype="BYTES", shape=(1,), data=["x" * 5000])], f"{'x' * 200}… and 4800 characters more"),
        ([Shown(name="y" * 5000, datatype="BOOL", shape=(0,), data=[])], f"{'y' * 200}… and 4800 characters more"),
        ([Shown(name="y", datatype="FP32", shape=(1,) * 5000, data=[0.5])], "… and 9799 characters more] 0.5"),
        ([Shown(name="y", datatype="INT8", shape=(90,), data=[1] * 40, more=50)], "1, 1, and 74 more"),
        ([Shown(name="y", datatype="INT8", shape=(1,), data=[1])] * 500, "and 480 more"),
    ],
    ids=["element", "name", "shape", "elements", "tensors"],
)
def test_of_a_long_answer_a_part_is_shown(outputs: list[Shown], shown: str) -> None:
    each = Asked(request="r", outcome=Outcome.ANSWERED, expected=[], outputs=outputs)
    text = drawn(answers_of(replace(answers(), asked=[each]), Screen()), Screen())
    assert shown in text
    assert len(text) < 2_000


def test_of_what_is_wrong_with_an_answer_the_beginning_is_told() -> None:
    assert failed("r", "x" * 70_000).words == f"{'x' * 2000}… and 68000 characters more"

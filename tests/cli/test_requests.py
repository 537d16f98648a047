"""Which revision each verb means: whatever is filled in has to be what the operator takes it for."""

import pytest

from slipway.cli.requests import NothingToAskError, answer, asked, is_done
from slipway.core.rollout.requests import Verb
from tests.cli.scenes import CLUSTERS, scene_of
from tests.core.cluster.following import following, short
from tests.core.cluster.scenario import canary, goes_on, pods_come
from tests.core.cluster.simulator import Simulator
from tests.gitops.states import aborted, paused


def asks(cluster: Simulator, verb: Verb) -> str | None:
    """What the operator answers to what the command fills in; None where the command has nothing to ask."""
    model = scene_of(cluster).model
    try:
        request = asked(model, verb)
    except NothingToAskError:
        return None
    short = {number * 8: name for number, name in _names(cluster)}
    cluster.request = f"{verb}/{short.get(request.revision, request.revision)}"
    goes_on(cluster)
    (told,) = [each for each in cluster.status["requests"] if each["request"] == cluster.request]
    return str(told["outcome"])


def _names(cluster: Simulator) -> list[tuple[str, str]]:
    made = [name.removeprefix("churn-") for kind, name in cluster.objects if kind == "ControllerRevision"]
    return [(str(number), name) for number, name in enumerate(made, start=1)]


@pytest.mark.parametrize(
    ("name", "verb", "outcome"),
    [
        ("serving", Verb.RESTART, "restarting: a new revision of the same ask"),
        ("serving", Verb.PROMOTE, None),
        ("serving", Verb.ABORT, None),
        ("serving", Verb.PAUSE, None),
        ("serving", Verb.RETRY, None),
        ("resolving", Verb.ABORT, "aborted"),
        ("resolving", Verb.PAUSE, "paused"),
        ("resolving", Verb.ROLLBACK, "rolled back"),
        ("loading", Verb.ABORT, "aborted"),
        ("loading", Verb.PAUSE, "paused"),
        ("canary-paused", Verb.PROMOTE, "promoted: on to the next step"),
        ("canary-paused", Verb.ABORT, "aborted"),
        ("canary-paused", Verb.ROLLBACK, "rolled back"),
        ("canary-measured", Verb.PROMOTE, "promoted: on to the next step"),
        ("sent-home", Verb.RETRY, "tried again"),
        ("sent-home", Verb.ABORT, None),
        ("soaking", Verb.PROMOTE, "promoted: the standby of the version before ends"),
        ("soaking", Verb.ABORT, "aborted"),
        ("soaking", Verb.ROLLBACK, "rolled back"),
        ("soaking", Verb.PAUSE, None),
    ],
)
def test_the_operator_does_what_the_command_fills_in(name: str, verb: Verb, outcome: str | None) -> None:
    assert asks(CLUSTERS[name](), verb) == outcome


def test_what_was_paused_is_resumed() -> None:
    assert asks(paused(), Verb.RESUME) == "resumed"


def test_what_was_aborted_is_tried_again() -> None:
    assert asks(aborted(), Verb.RETRY) == "tried again"


def test_what_is_proposed_is_accepted() -> None:
    cluster = following("3", update="Propose")
    assert asks(cluster, Verb.ACCEPT) is None
    cluster.alias("4")
    assert asked(scene_of(cluster).model, Verb.ACCEPT).text == f"accept/{short('4')}"
    assert cluster.asks(f"accept/{short('4')}") == "accepted: version 4 is asked for"


def test_the_same_once_more_is_a_new_request() -> None:
    cluster = canary({"weight": 10}, {"pause": {}}, {"weight": 20}, {"pause": {}}, {"weight": 30}, {"pause": {}})
    pods_come(cluster)
    texts = []
    for _ in range(3):
        text = asked(scene_of(cluster).model, Verb.PROMOTE).text
        texts.append(text)
        cluster.request = text.replace("2" * 8, cluster.status["candidate"]["revision"])
        goes_on(cluster)
        pods_come(cluster)
    assert texts == ["promote/22222222", "promote/22222222@2", "promote/22222222@3"]
    assert cluster.status["stable"]["version"] == "4"


def test_an_annotation_that_nobody_has_looked_at_is_not_written_over_with_itself() -> None:
    cluster = CLUSTERS["canary-paused"]()
    cluster.request = f"promote/{cluster.status['candidate']['revision']}"
    assert asked(scene_of(cluster).model, Verb.PROMOTE).text == "promote/22222222@2"


def test_an_answer_is_that_to_the_last_request_and_says_whether_anything_was_done() -> None:
    cluster = CLUSTERS["serving"]()
    cluster.request = "abort/00000000"
    goes_on(cluster)
    model = scene_of(cluster).model
    found = answer(model, "abort/00000000")
    assert found
    assert not is_done(found)
    assert answer(model, "abort/00000000@2") is None
    cluster.request = "dance/now"
    goes_on(cluster)
    found = answer(scene_of(cluster).model, "dance/now")
    assert found
    assert not is_done(found)


@pytest.mark.parametrize("revision", ["4", "2222222g", "22222222/x", "", "--22222222"])
def test_what_is_no_revision_is_told(revision: str) -> None:
    model = scene_of(CLUSTERS["serving"]()).model
    if not revision:
        assert asked(model, Verb.RESTART, revision).revision == "11111111"
        return
    with pytest.raises(NothingToAskError, match="name 8 hex digits, as history shows"):
        asked(model, Verb.RESTART, revision)
    assert asked(model, Verb.RESTART, "deadbeef").version == "-"

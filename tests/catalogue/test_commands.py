"""Publish, withdraw, alias and list, against a real API server and a real S3 server."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click.testing import Result

from slipway.api.v1alpha1 import MODEL_VERSION, ModelVersionSpec
from slipway.api.v1alpha1.catalogue import METRIC_VALUE_PATTERN, object_name
from slipway.bundle.directory import seal
from slipway.bundle.errors import BundleError
from slipway.bundle.evaluate import Evaluation
from slipway.bundle.evaluation_file import statement
from slipway.bundle.place import Place
from slipway.bundle.transfer import push
from slipway.catalogue import changes
from slipway.catalogue import publish as publishing
from slipway.catalogue.cluster import Cluster
from slipway.catalogue.commands import print_yaml
from slipway.catalogue.listing import cell_text
from slipway.catalogue.publish import Version, publish
from slipway.fetch import sums
from slipway.fetch.stores import Entry
from slipway.fetch.stores.objects import ObjectStore
from slipway.guard.printable import printable_lines
from testbed.kubectl import Kubectl
from testbed.plane import Plane
from tests.bundle import commands
from tests.bundle.folders import packed
from tests.bundle.places import bundle, gateway, place, s3

__all__ = ["bundle", "gateway", "place", "s3"]

pytestmark = pytest.mark.plane

D: Final = "sha256:" + "a" * 64


@pytest.fixture
def kubectl(plane: Plane, namespace: str) -> Kubectl:
    return plane.kubectl().within(namespace)


Slipway = Callable[..., Result]


@pytest.fixture
def slipway(plane: Plane, namespace: str) -> Slipway:
    def run(*words: object) -> Result:
        return commands.slipway(*words, "-n", namespace, KUBECONFIG=str(plane.kubeconfig()))

    return run


@pytest.fixture
def cluster(plane: Plane, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig()))
    with Cluster.connected(namespace=namespace) as found:
        yield found


def published(kubectl: Kubectl, version: str = "3", digest: str = D, model: str = "churn", **more: Any) -> None:
    """A version, by kubectl."""
    kubectl.apply(
        {
            "apiVersion": "serving.slipway.dev/v1alpha1",
            "kind": "ModelVersion",
            "metadata": {"name": object_name(model, version)},
            "spec": {
                "model": model,
                "version": version,
                "digest": digest,
                "sources": [{"uri": "s3://models/churn"}],
                **more,
            },
        }
    )


# -- publish


def test_a_bundle_is_put_at_its_address_and_published_once(
    slipway: Slipway, kubectl: Kubectl, bundle: Path, place: Place
) -> None:
    words = ("publish", "churn", "3", place.uri, "--bundle", bundle, "--endpoint", place.endpoint, "--keys", place.keys)
    first = slipway(*words, "--commit", "4f2a9c1", "--continues", "2")
    assert first.exit_code == 0, first.output
    assert "published     now" in first.output
    stored = kubectl.json("get", "mv", "churn-3")
    spec = ModelVersionSpec.model_validate(stored["spec"])
    assert [each.uri for each in spec.sources] == [place.uri]
    assert spec.card
    assert spec.card.lineage
    assert (spec.card.lineage.commit, spec.card.lineage.version) == ("4f2a9c1", "2")
    assert spec.card.backend == "onnxruntime"
    assert [tensor.name for tensor in spec.card.inputs or ()] == ["x"]
    again = slipway(*words, "--commit", "5e", "-o", "json")
    assert "Warning: churn 3 was published before, and its card stays: not as asked for are lineage" in again.stderr
    again = slipway(*words, "-o", "json")
    assert again.stderr.count("Warning") == 0
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout) == {"digest": spec.digest, "name": "churn-3", "created": False}
    assert kubectl.json("get", "mv", "churn-3")["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]


def test_an_evaluation_of_these_bytes_goes_into_the_card_and_one_of_others_is_refused(
    cluster: Cluster, kubectl: Kubectl, bundle: Path, place: Place, tmp_path: Path
) -> None:
    done = Evaluation(dataset="january", digest="b" * 64, rows=40, metrics={"f1": 0.91})
    digest = sums.digest_of((bundle / sums.NAME).read_bytes())
    for name, about in (("other", D), ("right", digest)):
        (tmp_path / name).write_bytes(statement(done, about))
    version = Version(model="churn", version="3", place=place, evaluation=tmp_path / "other")
    with pytest.raises(BundleError, match=f"is about {D}, and not {digest}"):
        publish(version, cluster, bundle=bundle)
    assert kubectl.json("get", "mv")["items"] == []
    publish(replace(version, evaluation=tmp_path / "right"), cluster)
    card = kubectl.json("get", "mv", "churn-3")["spec"]["card"]
    assert card["metrics"] == [{"name": "f1", "value": "0.91", "dataset": "january"}]


@pytest.mark.parametrize(
    ("readme", "license_of_it", "said"),
    [
        ("---\nlicense: mit\n---\nA model.\n", "mit", ""),
        ("A model.\n", None, ""),
        (
            "---\n[\n---\n",
            None,
            "the card is made without what README.md says: README.md: its front matter is not YAML",
        ),
    ],
    ids=["as pack writes it", "nothing of a machine's", "broken"],
)
def test_what_a_bundles_readme_says_is_in_the_card_whoever_pushed_it(
    readme: str,
    license_of_it: str | None,
    said: str,
    cluster: Cluster,
    kubectl: Kubectl,
    bundle: Path,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (bundle / "README.md").write_text(readme)
    seal(bundle)
    push(bundle, place)
    lines, looks = list[str](), list[ObjectStore]()
    listed = ObjectStore.list

    def look(store: ObjectStore) -> list[Entry]:
        looks.append(store)
        return listed(store)

    monkeypatch.setattr(ObjectStore, "list", look)
    publish(Version(model="churn", version="3", place=place), cluster, say=lines.append)
    assert len(looks) == 1, "the bundle is looked at once"
    card = kubectl.json("get", "mv", "churn-3")["spec"]["card"]
    assert card.get("license") == license_of_it
    assert said in "\n".join(lines)


def test_other_bytes_under_a_published_version_are_an_error_whatever_their_address(
    cluster: Cluster, kubectl: Kubectl, bundle: Path, place: Place, tmp_path: Path
) -> None:
    first = publish(Version(model="churn", version="3", place=place), cluster, bundle=bundle)
    elsewhere = replace(place, uri=f"{place.uri}-other")
    with pytest.raises(BundleError, match=f"churn 3: is published with {first.digest}, and this is sha256:.*; publish"):
        publish(Version(model="churn", version="3", place=elsewhere), cluster, bundle=packed(tmp_path / "other", x=5.0))
    assert kubectl.json("get", "mv", "churn-3")["spec"]["digest"] == first.digest


def test_a_publish_that_was_cut_after_the_bytes_is_made_whole_by_the_next(
    cluster: Cluster, kubectl: Kubectl, bundle: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two writes there is a bundle that nobody names, and nothing else."""

    class CutError(Exception):
        pass

    def cut(*_: Any, **__: Any) -> Any:
        raise CutError

    version = Version(model="churn", version="3", place=place)
    with monkeypatch.context() as patched:
        patched.setattr(Cluster, "create", cut)
        with pytest.raises(CutError):
            publish(version, cluster, bundle=bundle)
    assert kubectl.json("get", "mv")["items"] == []
    found = publish(version, cluster, bundle=bundle)
    assert found.created
    assert found.digest == publishing.version_object(version, "x")["spec"]["digest"]


def test_nothing_is_published_that_nobody_can_fetch(cluster: Cluster, kubectl: Kubectl, place: Place) -> None:
    with pytest.raises(BundleError, match="SourceNotFound"):
        publish(Version(model="churn", version="3", place=place), cluster)
    assert kubectl.json("get", "mv")["items"] == []


def test_two_versions_whose_objects_would_have_one_name_are_told_apart(
    cluster: Cluster, bundle: Path, place: Place
) -> None:
    publish(Version(model="churn", version="rc_1", place=place), cluster, bundle=bundle)
    with pytest.raises(BundleError, match="churn-rc-1: is the ModelVersion of churn rc_1 already"):
        publish(Version(model="churn", version="RC-1", place=place), cluster)


def test_for_git_the_object_is_printed_and_nothing_is_written(
    slipway: Slipway, kubectl: Kubectl, bundle: Path, place: Place
) -> None:
    where = ("--endpoint", place.endpoint, "--keys", place.keys)
    told = slipway("publish", "churn", "3", place.uri, "--bundle", bundle, *where, "-o", "yaml")
    assert told.exit_code == 0, told.output
    assert kubectl.json("get", "mv")["items"] == []
    kubectl.apply(yaml.safe_load(told.stdout))
    assert "churn" in kubectl("get", "mv", "churn-3")


def test_who_may_publish_publishes_and_who_may_not_is_told(
    plane: Plane, namespace: str, kubectl: Kubectl, bundle: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right to create is enough."""
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig("tenant")))
    rule = {"apiGroups": ["serving.slipway.dev"], "resources": ["modelversions"], "verbs": ["get", "create"]}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "publish"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": _user(plane, "tenant")}
    rbac = "rbac.authorization.k8s.io/v1"
    version = Version(model="churn", version="3", place=place)
    with Cluster.connected(namespace=namespace) as cluster:
        with pytest.raises(BundleError, match="no right to"):
            publish(version, cluster, bundle=bundle)
        kubectl.apply(
            {"apiVersion": rbac, "kind": "Role", "metadata": {"name": "publish"}, "rules": [rule]},
            {
                "apiVersion": rbac,
                "kind": "RoleBinding",
                "metadata": {"name": "publish"},
                "roleRef": ref,
                "subjects": [subject],
            },
        )
        assert publish(version, cluster, bundle=bundle).created
        with pytest.raises(BundleError, match="no right to"):
            changes.withdraw(cluster, "churn", "3", reason="no")


def _user(plane: Plane, name: str) -> str:
    said: str = plane.kubectl(name).json("auth", "whoami")["status"]["userInfo"]["username"]
    return said


# -- the card


@pytest.mark.parametrize(
    ("front", "kept"),
    [
        ({"license": "mit", "pipeline_tag": "x"}, {"license": "mit", "task": "x"}),
        ({"license": ["mit"], "pipeline_tag": "x" * 129}, {}),
        ({"model-index": "a"}, {}),
        ({"model-index": [{"results": [{"metrics": [{"type": "f1", "value": float("nan")}]}]}]}, {}),
        (
            {"model-index": [{"results": [{"dataset": {"name": "d"}, "metrics": [{"type": "f1", "value": 0.91}]}]}]},
            {"metrics": [{"name": "f1", "value": "0.91", "dataset": "d"}]},
        ),
    ],
)
def test_a_card_is_what_can_be_read_of_it(front: dict[str, Any], kept: dict[str, Any], place: Place) -> None:
    found = {"size": 5, "model": {}}
    assert publishing._card(found, front, Version(model="churn", version="3", place=place)) == {"size": "5", **kept}


def test_a_card_at_its_limits_and_full_of_markup_is_cut_to_what_the_api_takes(place: Place) -> None:
    tensors = [(f"<script>{n}" + "ü" * 100, "FP32", [-1] * 16) for n in range(32)]
    metrics = [{"type": f"{n}" + "\u202e" * 60, "value": 1e-9} for n in range(99)]
    found = {"size": 2**60, "model": {"backend": "x" * 64, "inputs": tensors, "outputs": tensors[:5]}}
    front = {"model-index": [{"results": [{"metrics": metrics}]}]}
    card = publishing._card(found, front, Version(model="churn", version="3", place=place))
    assert len(json.dumps(card).encode()) <= publishing.CARD_BYTES
    spec = {"model": "churn", "version": "3", "digest": D, "sources": [{"uri": "s3://b/m"}], "card": card}
    assert ModelVersionSpec.model_validate(spec).card
    assert METRIC_VALUE_PATTERN


# -- withdraw


def test_a_version_is_withdrawn_and_reinstated(slipway: Slipway, kubectl: Kubectl) -> None:
    published(kubectl)
    words = ("withdraw", "churn", "3", "--reason", "leaks “names” 💥", "--block", "--instead", "4")
    told = slipway(*words)
    assert told.exit_code == 0, told.output
    stored = kubectl.json("get", "mv", "churn-3")["spec"]["withdrawn"]
    assert stored == {"reason": "leaks “names” 💥", "action": "Block", "instead": "4"}
    assert slipway(*words).exit_code == 0
    assert slipway("withdraw", "churn", "3", "--undo").exit_code == 0
    assert "withdrawn" not in kubectl.json("get", "mv", "churn-3")["spec"]


def test_a_withdrawal_that_git_gives_is_not_overwritten_unless_somebody_says_so(
    slipway: Slipway, kubectl: Kubectl
) -> None:
    body = {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": "churn-3"},
        "spec": {
            "model": "churn",
            "version": "3",
            "digest": D,
            "sources": [{"uri": "s3://models/churn"}],
            "withdrawn": {"reason": "by git", "action": "Block"},
        },
    }
    kubectl("apply", "--server-side", "--field-manager=argocd", "-f", "-", stdin=json.dumps(body))
    told = slipway("withdraw", "churn", "3", "--reason", "mine")
    assert told.exit_code == 1
    assert "somebody else gives it" in told.output
    assert "argocd" in told.output
    assert slipway("withdraw", "churn", "3", "--reason", "mine", "--force").exit_code == 0
    assert kubectl.json("get", "mv", "churn-3")["spec"]["withdrawn"]["reason"] == "mine"


def test_what_is_not_published_is_neither_withdrawn_nor_meant(slipway: Slipway, kubectl: Kubectl) -> None:
    for words in (("withdraw", "churn", "3", "--reason", "x"), ("alias", "churn", "champion", "3")):
        told = slipway(*words)
        assert told.exit_code == 1
        assert "churn 3: is not published in namespace" in told.output
    assert kubectl.json("get", "mv,rm")["items"] == []


def test_a_withdrawal_for_git_is_the_whole_object(slipway: Slipway, kubectl: Kubectl) -> None:
    published(kubectl, card={"license": "mit"})
    told = slipway("withdraw", "churn", "3", "--reason", "leaks", "-o", "yaml")
    printed = yaml.safe_load(told.stdout)
    assert printed["spec"]["withdrawn"] == {"reason": "leaks", "action": "Warn"}
    assert printed["spec"]["card"] == {"license": "mit"}
    assert "withdrawn" not in kubectl.json("get", "mv", "churn-3")["spec"]


# -- alias


def test_an_alias_is_moved_and_others_stay(slipway: Slipway, kubectl: Kubectl) -> None:
    for version in ("3", "4"):
        published(kubectl, version)
    for alias, version in (("champion", "3"), ("challenger", "4"), ("champion", "4")):
        told = slipway("alias", "churn", alias, version)
        assert told.exit_code == 0, told.output
    stored = kubectl.json("get", "rm", "churn", "--show-managed-fields")
    assert stored["spec"]["aliases"] == {"champion": "4", "challenger": "4"}
    managers = {each["manager"] for each in stored["metadata"]["managedFields"]}
    assert managers == {"slipway-alias-champion", "slipway-alias-challenger"}
    assert slipway("alias", "churn", "champion", "--remove").exit_code == 0
    assert kubectl.json("get", "rm", "churn")["spec"]["aliases"] == {"challenger": "4"}
    assert "has no alias champion" in slipway("alias", "churn", "champion", "--remove").output


def test_an_alias_for_what_is_withdrawn_is_moved_with_a_warning(slipway: Slipway, kubectl: Kubectl) -> None:
    published(kubectl, "3")
    published(kubectl, "4", withdrawn={"reason": "leaks names", "action": "Block", "instead": "3"})
    assert "Warning" not in slipway("alias", "churn", "champion", "3").output
    told = slipway("alias", "churn", "champion", "4")
    assert told.exit_code == 0, told.output
    assert "Warning: churn 4 is withdrawn (leaks names): who follows the alias stays where it is; use 3" in told.stderr


def test_what_is_printed_for_git_is_never_written(slipway: Slipway, kubectl: Kubectl) -> None:
    published(kubectl)
    assert slipway("alias", "churn", "champion", "3").exit_code == 0
    told = slipway("alias", "churn", "champion", "--remove", "-o", "yaml")
    assert (told.exit_code, "writes nothing" in told.stderr) == (2, True)
    assert kubectl.json("get", "registeredmodel", "churn")["spec"]["aliases"] == {"champion": "3"}


def test_an_alias_that_git_gives_is_not_overwritten(slipway: Slipway, kubectl: Kubectl) -> None:
    for version in ("3", "4"):
        published(kubectl, version)
    body = yaml.safe_load(slipway("alias", "churn", "champion", "3", "-o", "yaml").stdout)
    kubectl("apply", "--server-side", "--field-manager=argocd", "-f", "-", stdin=json.dumps(body))
    told = slipway("alias", "churn", "champion", "4")
    assert told.exit_code == 1
    assert "argocd" in told.output
    assert kubectl.json("get", "rm", "churn")["spec"]["aliases"] == {"champion": "3"}


# -- list


def test_the_list_shows_what_means_what_where_it_serves_and_no_control_characters(
    slipway: Slipway, kubectl: Kubectl
) -> None:
    published(kubectl, "3", withdrawn={"reason": "evil\u001b[2J\u202e", "action": "Warn"})
    published(kubectl, "4")
    published(kubectl, "1", model="other")
    slipway("alias", "churn", "champion", "4")
    told = slipway("models", "churn")
    assert told.exit_code == 0, told.output
    head, old, new = told.stdout.splitlines()
    assert head.split() == ["MODEL", "VERSION", "ALIASES", "SERVING", "REFUSED", "WITHDRAWN", "SOURCE"]
    assert new.split()[:6] == ["churn", "4", "champion", "0", "0", "-"]
    assert "Warn: evil" in old
    assert "\x1b" not in told.stdout
    assert "\u202e" not in told.stdout
    found = json.loads(slipway("models", "-o", "json").stdout)["versions"]
    assert [(each["model"], each["version"]) for each in found] == [("churn", "3"), ("churn", "4"), ("other", "1")]


@pytest.mark.parametrize(
    "version", ["4 \x1b[2J", "4 \x9b2J", "4 \u202eexe", "4 \u2067", "4 \udcff", "4 你好 👩\u200d🔬"]
)
def test_a_manifest_for_git_is_as_it_was_asked_for_and_steers_no_terminal(
    version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_yaml({"metadata": {"namespace": ""}, "spec": {"aliases": {"champion": version}}})
    shown = capsys.readouterr().out
    assert printable_lines(shown) == shown
    assert yaml.safe_load(shown)["spec"]["aliases"] == {"champion": version}


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("churn", "champion", "../4"), "aliases.champion"),
        (("churn", "champion", "4\n"), "aliases.champion"),
        (("churn", "Champion", "4"), "alias"),
        (("Churn", "champion", "4"), "model"),
    ],
)
def test_no_alias_is_printed_for_git_that_no_cluster_takes(words: tuple[str, ...], field: str) -> None:
    told = commands.slipway("alias", *words, "-o", "yaml")
    assert (told.exit_code, told.stdout) == (1, "")
    assert f"Error: {field}: " in told.stderr


def test_a_long_cell_is_cut() -> None:
    assert cell_text("x" * 99) == "x" * 59 + "…"


def test_without_a_cluster_the_way_to_name_one_is_told(tmp_path: Path) -> None:
    told = commands.slipway("models", KUBECONFIG=str(tmp_path / "none"))
    assert told.exit_code == 1
    assert "set KUBECONFIG or --context" in told.output


def test_in_a_pod_its_own_namespace_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "namespace").write_text("team-a\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr("slipway.catalogue.cluster.config.load_incluster_config", lambda: None)
    monkeypatch.setattr("slipway.catalogue.cluster._OF_POD", tmp_path / "namespace")
    with Cluster.connected() as found:
        assert found.namespace == "team-a"


def test_a_cluster_that_knows_no_catalogue_is_told_from_a_version_that_is_not_there(cluster: Cluster) -> None:
    assert cluster.get(MODEL_VERSION, "absent-1") is None
    unknown = MODEL_VERSION._replace(plural="unknown")
    for ask in (lambda: list(cluster.list(unknown)), lambda: cluster.get(unknown, "absent-1")):
        with pytest.raises(BundleError, match="install the chart slipway-crds"):
            ask()

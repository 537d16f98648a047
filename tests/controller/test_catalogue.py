"""The operator tells what aliases mean and where versions are used, and without a catalogue does nothing."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from slipway.controller.catalogue import Catalogue
from slipway.controller.cataloguing import Cataloguing
from slipway.controller.kinds import MODEL_DEPLOYMENT, MODEL_VERSION, REGISTERED_MODEL, Key, Kind
from slipway.controller.kube import ApiKube, ForbiddenError, KubeError, NotFoundError
from slipway.controller.store import Store
from slipway.core.catalogue.facts import VersionFacts, Withdrawal
from slipway.core.catalogue.withdrawal import withdrawals_by_digest
from tests.controller.conftest import CallLog, a_model_deployment

NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
D: Final = ["sha256:" + each * 64 for each in "abc"]

Object = dict[str, Any]


def a_version(namespace: str, version: str, digest: str = D[0], model: str = "churn", **more: Any) -> Object:
    return {
        "apiVersion": MODEL_VERSION.api_version,
        "kind": MODEL_VERSION.name,
        "metadata": {"name": f"{model}-{version}", "namespace": namespace},
        "spec": {
            "model": model,
            "version": version,
            "digest": digest,
            "sources": [{"uri": "s3://models/churn"}],
            **more,
        },
    }


def a_model(namespace: str, name: str = "churn", **spec: Any) -> Object:
    return {
        "apiVersion": REGISTERED_MODEL.api_version,
        "kind": REGISTERED_MODEL.name,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def stored(manifest: Object, version: int = 1) -> Object:
    """As a watch brings it."""
    meta = manifest["metadata"]
    uid = f"{manifest['kind']}/{meta['namespace']}/{meta['name']}"
    return {**manifest, "metadata": {**meta, "uid": uid, "resourceVersion": str(version)}}


BLOCK: Final[dict[str, Any]] = {"withdrawn": {"action": "Block", "reason": "leaks names"}}
WARN: Final[dict[str, Any]] = {"withdrawn": {"action": "Warn", "reason": "leaks names"}}


# -- what is kept


def test_a_withdrawal_concerns_the_model_deployments_of_its_namespace_once_and_holds_there_alone() -> None:
    store = Store()
    for namespace in ("a", "b"):
        store.put(MODEL_DEPLOYMENT, stored(a_model_deployment(namespace)))
    assert store.put(MODEL_VERSION, stored(a_version("a", "1"))) == frozenset()
    assert store.put(MODEL_VERSION, stored(a_version("a", "1", **BLOCK), 2)) == {Key("a", "churn")}
    assert store.put(MODEL_VERSION, stored(a_version("a", "1", **BLOCK), 3)) == frozenset()
    assert store.observed(Key("a", "churn")).withdrawals.keys() == {D[0]}
    assert store.observed(Key("b", "churn")).withdrawals == {}
    assert store.put(MODEL_VERSION, stored(a_version("a", "1", **WARN), 4)) == {Key("a", "churn")}
    assert store.observed(Key("a", "churn")).withdrawals[D[0]].action == "Warn"
    assert store.remove(MODEL_VERSION, stored(a_version("a", "1"))["metadata"]["uid"]) == {Key("a", "churn")}
    assert store.observed(Key("a", "churn")).withdrawals == {}


def test_a_withdrawal_of_a_namespace_that_the_platform_names_holds_everywhere() -> None:
    store = Store()
    store.catalogue.platform_namespaces = frozenset({"platform"})
    for namespace in ("a", "b"):
        store.put(MODEL_DEPLOYMENT, stored(a_model_deployment(namespace)))
    concerned = store.put(MODEL_VERSION, stored(a_version("platform", "1", **BLOCK)))
    assert concerned == {Key("a", "churn"), Key("b", "churn")}
    assert store.observed(Key("b", "churn")).withdrawals[D[0]].namespace == "platform"


def test_what_others_withdraw_by_the_thousand_is_not_looked_at_again_for_each_namespace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[VersionFacts] = []

    def counted(versions: Iterable[tuple[str, VersionFacts]], **more: Any) -> dict[str, Withdrawal]:
        seen = list(versions)
        looked_at.extend(facts for _, facts in seen)
        return withdrawals_by_digest(seen, **more)

    monkeypatch.setattr("slipway.controller.catalogue.withdrawals_by_digest", counted)
    catalogue = Catalogue(frozenset({"platform"}))
    for number in range(100):
        catalogue.keep(MODEL_VERSION, stored(a_version("a", str(number), **BLOCK)), ())
    for owner, serial in (("platform", 1), ("b", 1), ("a", 2)):
        catalogue.keep(MODEL_VERSION, stored(a_version(owner, "1", D[1], **WARN), serial), ())
        assert D[1] in catalogue.withdrawals("b")
    assert len(looked_at) < 10
    assert len(catalogue.withdrawals("a")) == 2


def test_nothing_of_a_card_is_kept() -> None:
    catalogue = Catalogue()
    catalogue.keep(MODEL_VERSION, stored(a_version("a", "1", card={"license": "x" * 64})), ())
    assert "x" * 64 not in repr(catalogue.versions)


def test_what_one_namespace_publishes_is_bounded_and_takes_nothing_from_another(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("slipway.controller.catalogue.MOST_OBJECTS", 3)
    store = Store()
    for number in range(10):
        store.put(MODEL_VERSION, stored(a_version("a", str(number), **BLOCK)))
    store.put(MODEL_VERSION, stored(a_version("b", "1")))
    assert sorted(store.catalogue.versions) == [Key("a", f"churn-{n}") for n in range(3)] + [Key("b", "churn-1")]
    assert sum("not all are read" in message for message in caplog.messages) == 1
    assert not store.keeps(MODEL_VERSION, stored(a_version("a", "9")))
    store.remove(MODEL_VERSION, stored(a_version("a", "0"))["metadata"]["uid"])
    store.put(MODEL_VERSION, stored(a_version("a", "9"), 5))
    assert Key("a", "churn-9") in store.catalogue.versions
    store.put(MODEL_VERSION, stored(a_version("a", "9", digest=D[1]), 6))  # one that is kept may change
    assert store.catalogue.version(Key("a", "churn-9")).digest == D[1]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [REGISTERED_MODEL, MODEL_VERSION], ids=lambda kind: kind.name)
@pytest.mark.parametrize("spec", [None, [], {"aliases": [1]}, {"sharedWith": 5}, {"digest": {}, "withdrawn": 7}])
def test_an_object_that_nobody_can_read_stops_nothing(kind: Kind, spec: Any) -> None:
    store = Store()
    manifest = stored(a_model("a") | {"kind": kind.name, "spec": spec})
    store.put(kind, manifest)
    store.put(MODEL_VERSION, stored(a_version("a", "1", **BLOCK)))
    assert store.observed(Key("a", "churn")).withdrawals.keys() == {D[0]}
    store.remove(kind, manifest["metadata"]["uid"])


# -- who follows


def a_follower(namespace: str, model_namespace: str = "a", name: str = "churn") -> Object:
    model = {"follow": {"model": "churn", "namespace": model_namespace, "alias": "champion"}}
    manifest = stored(a_model_deployment(namespace, name))
    return {**manifest, "spec": {**manifest["spec"], "model": model}}


def test_followers_are_woken_by_what_their_model_comes_to_show_and_by_nothing_else() -> None:
    store = Store()
    for namespace, of in (("a", "a"), ("b", "a"), ("c", "elsewhere")):
        store.put(MODEL_DEPLOYMENT, a_follower(namespace, of))
    both = {Key("a", "churn"), Key("b", "churn")}
    model = a_model("a", aliases={"champion": "1"}, sharedWith=["b"])
    assert store.put(REGISTERED_MODEL, stored(model)) == both
    assert store.put(MODEL_VERSION, stored(a_version("a", "1"))) == both
    assert store.put(REGISTERED_MODEL, stored(model | {"status": {"versions": 1}}, 2)) == frozenset()
    assert store.put(MODEL_VERSION, stored(a_version("a", "1") | {"status": {"uses": {}}}, 2)) == frozenset()
    assert store.put(REGISTERED_MODEL, stored(a_model("a", "other", aliases={"champion": "1"}))) == frozenset()
    assert store.put(REGISTERED_MODEL, stored(a_model("a", aliases={"champion": "2"}, sharedWith=["b"]), 3)) == both
    assert store.put(REGISTERED_MODEL, stored(a_model("a", aliases={"champion": "2"}), 4)) == both
    assert store.put(MODEL_VERSION, stored(a_version("a", "2"))) == both
    assert store.remove(MODEL_VERSION, stored(a_version("a", "2"))["metadata"]["uid"]) == both
    assert store.remove(REGISTERED_MODEL, stored(model)["metadata"]["uid"]) == both


def test_followers_sleep_on_while_other_aliases_move_and_other_versions_come_and_go() -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, a_follower("a"))
    for serial, challenger in enumerate(("1", "2", "3", None), 1):
        store.put(MODEL_VERSION, stored(a_version("a", "1"))) if serial == 1 else None
        aliases = {"champion": "1", **({"challenger": challenger} if challenger else {})}
        woken = store.put(REGISTERED_MODEL, stored(a_model("a", aliases=aliases), serial))
        assert woken == ({Key("a", "churn")} if serial == 1 else frozenset())
    other = stored(a_version("a", "2", D[1]))
    assert store.put(MODEL_VERSION, other) == frozenset()
    assert store.put(MODEL_VERSION, stored(a_version("a", "2", D[1], **WARN), 2)) == {Key("a", "churn")}
    assert store.remove(MODEL_VERSION, other["metadata"]["uid"]) == {Key("a", "churn")}, "the withdrawal has ended"


def test_one_that_follows_no_more_is_not_woken() -> None:
    store = Store()
    follower = a_follower("a")
    store.put(MODEL_DEPLOYMENT, follower)
    meta = {**follower["metadata"], "resourceVersion": "2"}
    store.put(MODEL_DEPLOYMENT, {**stored(a_model_deployment("a")), "metadata": meta})
    assert store.put(REGISTERED_MODEL, stored(a_model("a", aliases={"champion": "1"}))) == frozenset()
    store.put(MODEL_DEPLOYMENT, {**follower, "metadata": {**meta, "resourceVersion": "3"}})
    store.remove(MODEL_DEPLOYMENT, meta["uid"])
    assert store.put(REGISTERED_MODEL, stored(a_model("a", aliases={"champion": "2"}), 2)) == frozenset()


def test_a_follower_is_shown_its_alias_and_why_it_cannot_be_seen() -> None:
    store, key = Store(), Key("b", "churn")
    store.put(MODEL_DEPLOYMENT, a_follower("b"))
    store.put(MODEL_VERSION, stored(a_version("a", "1")))
    store.put(REGISTERED_MODEL, stored(a_model("a", aliases={"champion": "1"}, sharedWith=["*"])))
    seen = store.observed(key).followed
    assert seen
    assert seen.version
    assert (seen.unseen, seen.version.digest) == ("", D[0])
    for error, words in ((NotFoundError(404, "NotFound", ""), "no catalogue"), (ForbiddenError(403, "", ""), "list")):
        store.coverage.record_failure(MODEL_VERSION, None, error, 0)
        seen = store.observed(key).followed
        assert seen
        assert (seen.model, words in seen.unseen) == (None, True)
    assert store.observed(Key("a", "churn")).followed is None


def test_a_withdrawal_holds_for_those_who_follow_the_model_while_it_is_shared_with_them() -> None:
    store, key = Store(), Key("b", "churn")
    store.put(MODEL_DEPLOYMENT, a_follower("b"))
    store.put(REGISTERED_MODEL, stored(a_model("a", aliases={"champion": "2"}, sharedWith=["b"])))
    store.put(MODEL_VERSION, stored(a_version("a", "1", model="other", **BLOCK)))
    store.put(MODEL_VERSION, stored(a_version("b", "9", D[1], **WARN)))
    assert store.put(MODEL_VERSION, stored(a_version("a", "1", D[1], **BLOCK))) == {key}
    assert {digest: each.action for digest, each in store.observed(key).withdrawals.items()} == {D[1]: "Block"}
    store.put(REGISTERED_MODEL, stored(a_model("a", aliases={"champion": "2"}), 2))
    assert {digest: each.action for digest, each in store.observed(key).withdrawals.items()} == {D[1]: "Warn"}


# -- what is written


class Publisher:
    """Objects of a real API server, each put into the store as a watch would."""

    def __init__(self, kube: ApiKube, namespace: str) -> None:
        self.kube, self.namespace, self.store = kube, namespace, Store()
        self.cataloguing = Cataloguing(kube=kube, store=self.store, now=lambda: NOW)

    async def put(self, kind: Kind, manifest: Object) -> Object:
        live = await self.kube.create(kind, manifest)
        if "status" in manifest:
            live = await self.kube.replace_status(kind, live | {"status": manifest["status"]})
        self.store.put(kind, live)
        return live

    async def change(self, kind: Kind, name: str, spec: Object) -> None:
        live = await self.kube.get(kind, self.namespace, name)
        self.store.put(kind, await self.kube.replace(kind, live | {"spec": live["spec"] | spec}))

    async def looks(self) -> None:
        assert self.cataloguing.count_uses()
        await self.cataloguing.write_models()
        await self.cataloguing.write_versions()

    async def status(self, kind: Kind, name: str) -> Object:
        found: Object = (await self.kube.get(kind, self.namespace, name)).get("status", {})
        return found


@pytest.fixture
def publisher(kube: ApiKube, namespace: str) -> Publisher:
    return Publisher(kube, namespace)


def serving(digest: str) -> Object:
    revision = {
        "revision": "0badcafe",
        "number": 1,
        "version": "3",
        "digest": digest,
        "verification": "none",
        "platform": "1",
        "state": "Stable",
        "replicas": 1,
        "available": 1,
        "share": 100,
    }
    return {"observedGeneration": 1, "revisions": [revision]}


@pytest.mark.plane
async def test_aliases_and_uses_stand_in_status_and_a_steady_minute_has_no_call(
    publisher: Publisher, namespace: str, calls: CallLog
) -> None:
    await publisher.put(REGISTERED_MODEL, a_model(namespace, aliases={"champion": "3", "next": "9"}))
    await publisher.put(MODEL_VERSION, a_version(namespace, "3"))
    await publisher.put(MODEL_VERSION, a_version(namespace, "4", D[1]))
    await publisher.put(MODEL_DEPLOYMENT, a_model_deployment(namespace) | {"status": serving(D[0])})
    await publisher.looks()

    status = await publisher.status(REGISTERED_MODEL, "churn")
    assert (status["versions"], status["withdrawn"]) == (2, 0)
    champion, following = status["aliases"]
    assert (champion["version"], champion["digest"], champion["moves"][0]["manager"]) == ("3", D[0], "slipway")
    assert following["message"].startswith("version 9 is not published")
    used = await publisher.status(MODEL_VERSION, "churn-3")
    assert used["uses"] == {"serving": 1, "candidate": 0, "standby": 0, "refused": 0}
    assert used["usedBy"] == [{"name": "churn", "state": "Serving"}]
    assert await publisher.status(MODEL_VERSION, "churn-4") == {}

    calls.calls.clear()
    for _ in range(3):
        await publisher.looks()
    assert calls.calls == []


@pytest.mark.plane
async def test_a_moved_alias_and_a_use_that_ends_are_written_and_an_operator_that_starts_anew_writes_nothing(
    publisher: Publisher, namespace: str, calls: CallLog
) -> None:
    await publisher.put(REGISTERED_MODEL, a_model(namespace, aliases={"champion": "3"}))
    await publisher.put(MODEL_VERSION, a_version(namespace, "3"))
    live = await publisher.put(MODEL_DEPLOYMENT, a_model_deployment(namespace) | {"status": serving(D[0])})
    await publisher.looks()
    await publisher.change(REGISTERED_MODEL, "churn", {"aliases": {"champion": "4"}})
    publisher.store.remove(MODEL_DEPLOYMENT, live["metadata"]["uid"])
    await publisher.looks()
    moves = (await publisher.status(REGISTERED_MODEL, "churn"))["aliases"][0]["moves"]
    assert [move["version"] for move in moves] == ["3", "4"]
    assert (await publisher.status(MODEL_VERSION, "churn-3"))["uses"]["serving"] == 0

    again = Publisher(publisher.kube, namespace)
    for kind in (REGISTERED_MODEL, MODEL_VERSION):
        async for page in publisher.kube.list(kind, namespace):
            for manifest in page.items:
                again.store.put(kind, manifest)
    calls.calls.clear()
    await again.looks()
    assert calls.calls == []


@pytest.mark.plane
async def test_a_status_that_somebody_changed_meanwhile_is_not_overwritten_and_is_right_with_the_next_count(
    publisher: Publisher, namespace: str
) -> None:
    await publisher.put(REGISTERED_MODEL, a_model(namespace, aliases={"champion": "3"}))
    live = await publisher.kube.get(REGISTERED_MODEL, namespace, "churn")
    moved = await publisher.kube.replace(REGISTERED_MODEL, live | {"spec": {"aliases": {"champion": "5"}}})
    await publisher.looks()
    assert await publisher.status(REGISTERED_MODEL, "churn") == {}
    publisher.store.put(REGISTERED_MODEL, moved)
    await publisher.looks()
    assert (await publisher.status(REGISTERED_MODEL, "churn"))["aliases"][0]["version"] == "5"


async def test_model_deployments_that_were_never_listed_are_not_unused() -> None:
    store = Store()
    store.put(MODEL_VERSION, stored(a_version("a", "3")) | {"status": {"uses": {"serving": 1}}})
    store.coverage.record_failure(MODEL_DEPLOYMENT, "a", KubeError(403, "Forbidden", "no"), 0)
    cataloguing = Cataloguing(kube=None, store=store)  # type: ignore[arg-type]
    assert not cataloguing.count_uses()
    await cataloguing.write_versions()


async def test_without_a_catalogue_there_is_nothing_to_do() -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, stored(a_model_deployment("a") | {"status": serving(D[0])}))
    cataloguing = Cataloguing(kube=None, store=store)  # type: ignore[arg-type]
    assert cataloguing.count_uses()
    await cataloguing.write_models()
    await cataloguing.write_versions()


class Refusing:
    """A fake API server that takes no status. It shows nothing of what a real one says."""

    def __init__(self, status: int) -> None:
        self.status, self.tries = status, 0

    async def replace_status(self, kind: Kind, manifest: Object) -> Object:
        self.tries += 1
        raise KubeError(self.status, "Refused", "no") if self.status != 403 else _forbidden()


def _forbidden() -> KubeError:
    from slipway.controller.kube import ForbiddenError

    return ForbiddenError(403, "Forbidden", "the chart's roles are older")


@pytest.mark.parametrize(("code", "tries"), [(403, 1), (0, 1), (422, 5), (500, 5)])
async def test_one_status_that_is_refused_holds_up_no_other_and_a_right_that_is_missing_is_tried_once(
    code: int, tries: int
) -> None:
    store, kube = Store(), Refusing(code)
    for number in range(5):
        store.put(REGISTERED_MODEL, stored(a_model("a", f"m{number}", aliases={"champion": "3"})))
    cataloguing = Cataloguing(kube=kube, store=store, now=lambda: NOW)  # type: ignore[arg-type]
    if tries == 1:
        with pytest.raises(KubeError):
            await cataloguing.write_models()
        store.catalogue.changed_models.clear()
    else:
        await cataloguing.write_models()
    await cataloguing.write_models()
    assert kube.tries == tries  # not before the next count
    assert cataloguing.count_uses()
    assert len(store.catalogue.changed_models) == tries  # and then once more

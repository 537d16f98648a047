"""Teams with models of theirs, as the console in the cluster keeps them, and an API server that says who lists what."""

from collections.abc import Iterable, Iterator
from typing import Any

from slipway.api.v1alpha1 import MODEL_VERSION, REGISTERED_MODEL, Named
from slipway.console.api_server import ApiServer
from slipway.console.following import Changes
from slipway.console.kept import DEPLOYMENTS, Kept
from tests.console.objects import deployment, registered, version

Object = dict[str, Any]


class Stored:
    def __init__(self, kind: Named, *objects: Object) -> None:
        self.kind, self._objects = kind, {self._key(each): each for each in objects}
        self.problem: str | None = None
        self.version, self.is_read, self.namespaces, self.left_out = 1, True, (), dict[str, int]()

    def __iter__(self) -> Iterator[Object]:
        return iter(self._objects.values())

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    @staticmethod
    def _key(each: Object) -> tuple[str, str]:
        return each["metadata"]["namespace"], each["metadata"]["name"]


class Asked(ApiServer):
    """Says yes for these (kind, namespace), and remembers what it was asked."""

    def __init__(self, *allowed: tuple[Named, str]) -> None:
        self.allowed, self.questions = {(kind.plural, where) for kind, where in allowed}, list[tuple[str, str]]()

    async def post(self, path: str, body: Object, **query: str) -> Object:
        assert (body["spec"]["user"], body["spec"]["groups"]) == ("ann", ["ml"])
        about = body["spec"]["resourceAttributes"]
        self.questions.append((about["resource"], about["namespace"]))
        return {"status": {"allowed": self.questions[-1] in self.allowed}}


def kept(*shared: Iterable[str]) -> Kept:
    """A team for each, with a model that is shared so."""
    teams = [f"team-{number}" for number in range(len(shared))]
    models = [registered(team, sharedWith=list(names)) for team, names in zip(teams, shared, strict=True)]
    return Kept(
        Stored(DEPLOYMENTS, *(deployment(namespace=team) for team in teams)),
        Stored(REGISTERED_MODEL, *models),
        Stored(MODEL_VERSION, *(version("4", namespace=team) for team in teams)),
        Changes(),
    )

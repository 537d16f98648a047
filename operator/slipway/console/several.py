"""Objects of one kind out of several namespaces, each followed for itself."""

from collections.abc import Iterator, Sequence

from slipway.console.api_server import Object
from slipway.console.watched import Watched


class Several:
    """As if they were followed together."""

    def __init__(self, of: Sequence[Watched]) -> None:
        self.kind, self._of = of[0].kind, of

    @property
    def problem(self) -> str | None:
        """The first."""
        return next((each.problem for each in self._of if each.problem), None)

    @property
    def version(self) -> int:
        """0 until each has been read."""
        return sum(each.version for each in self._of) if all(each.version for each in self._of) else 0

    def __iter__(self) -> Iterator[Object]:
        """Namespace by namespace."""
        return (found for each in self._of for found in each)

    def get(self, namespace: str, name: str) -> Object | None:
        """One of them."""
        return next((found for each in self._of if (found := each.get(namespace, name)) is not None), None)

"""Objects of one kind out of several namespaces, each followed for itself."""

from collections.abc import Iterator, Mapping, Sequence

from slipway.console.api_server import Object
from slipway.console.watched import Watched


class Several:
    """As if they were followed together. The first may have all namespaces, and then it has those of the others too."""

    def __init__(self, of: Sequence[Watched]) -> None:
        self.kind, self._all = of[0].kind, of

    @property
    def _of(self) -> Sequence[Watched]:
        first = self._all[0]
        return [first] if first.everywhere else self._all

    @property
    def problem(self) -> str | None:
        """The first."""
        return next((each.problem for each in self._of if each.problem), None)

    @property
    def version(self) -> int:
        """Grows with each change of any."""
        return sum(each.version for each in self._of)

    @property
    def is_read(self) -> bool:
        """Whether each has been read."""
        return all(each.is_read for each in self._of)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Those that are looked at; none: all."""
        return tuple(where for each in self._of for where in each.namespaces)

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many there is no room for, by namespace."""
        return {where: count for each in self._of for where, count in each.left_out.items()}

    def __iter__(self) -> Iterator[Object]:
        """Namespace by namespace."""
        return (item for each in self._of for item in each)

    def get(self, namespace: str, name: str) -> Object | None:
        """One of them."""
        return next((item for each in self._of if (item := each.get(namespace, name)) is not None), None)

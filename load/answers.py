"""Who answered: the versions' known answers, and what an answer is compared with. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

# What golden requests of 32-bit floats are compared with, too (docs/contracts.md).
ABSOLUTE: Final = 0.0001
RELATIVE: Final = 0.001


@dataclass(frozen=True)
class Answers:
    """The right answers by version: the values of the one tensor that is compared."""

    by_version: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        versions = list(self.by_version)
        for number, version in enumerate(versions):
            for other in versions[:number]:
                if _same(self.by_version[version], self.by_version[other]):
                    raise ValueError(f"versions {other} and {version} answer the same: ask something that differs")

    def version(self, values: Sequence[float]) -> str | None:
        """The version that gives this answer; None when it is no version's."""
        return next((name for name, right in self.by_version.items() if _same(values, right)), None)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read `VERSION=VALUE[,VALUE…]`, one text for each version."""
        found: dict[str, tuple[float, ...]] = {}
        for text in texts:
            version, sign, values = text.partition("=")
            if not version or not sign or version in found:
                raise ValueError(f"{text!r}: an answer is given once for each version, as VERSION=VALUE[,VALUE…]")
            found[version] = tuple(float(value) for value in values.split(","))
        return cls(found)


def _same(values: Sequence[float], right: Sequence[float]) -> bool:
    return len(values) == len(right) and all(
        math.isclose(value, expected, rel_tol=0, abs_tol=ABSOLUTE + RELATIVE * abs(expected))
        for value, expected in zip(values, right, strict=True)
    )

"""Objects as they are kept: thousands of them, for as long as they are there."""

import tracemalloc
from typing import Any

import pytest

from slipway.core.observed.objects import Child


def an_object(kind: str, text: str) -> dict[str, Any]:
    meta = {"name": "churn", "uid": "0", "resourceVersion": "1"}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, "data": {"text": text}}


@pytest.mark.parametrize("kind", ["ConfigMap", "ControllerRevision"])
@pytest.mark.parametrize("characters", [100, 3_000, 40_000])
def test_what_is_kept_of_an_object_takes_no_more_memory_than_its_text(kind: str, characters: int) -> None:
    """What wrote the text may have reserved ten times as much."""
    manifest, count = an_object(kind, "word " * (characters // 5)), 100
    Child.of(manifest)
    tracemalloc.start()
    kept = [Child.of(manifest) for _ in range(count)]
    each = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    assert each < characters + 1_500
    assert all(child.body == manifest for child in kept)

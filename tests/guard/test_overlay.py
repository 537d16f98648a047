"""`spec.model.config` on the real server: what Triton makes of what was laid over the bundle's config.pbtxt."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from slipway.triton import config
from slipway.triton.overlay import merge
from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton


def lay_over(model: Path, overlay: dict[str, Any]) -> None:
    file = model / "config.pbtxt"
    file.write_text(config.to_text(merge(config.parse(file.read_text()), overlay)))


def configuration(pod: Container) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{pod.ports[0]}/v2/models/m/config", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_the_server_has_what_was_laid_over(pod: Container) -> None:
    lay_over(
        models.linear(pod.repository),
        {
            "maxBatchSize": 16,
            "dynamicBatching": {"preferredBatchSizes": [4], "maxQueueDelay": "2ms", "maxQueueSize": 64},
            "instances": {"count": 2},
            "optimization": {"graphLevel": -1},
        },
    )
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()

    has = configuration(pod)
    assert has["max_batch_size"] == 16
    assert has["dynamic_batching"]["preferred_batch_size"] == [4]
    assert has["dynamic_batching"]["default_queue_policy"]["max_queue_size"] == 64
    assert [group["count"] for group in has["instance_group"]] == [2]
    assert has["optimization"]["graph"]["level"] == -1


def test_the_model_is_warm_before_anybody_asks(pod: Container) -> None:
    model = models.obedient(pod.repository)
    lay_over(model, {"warmup": {"batchSizes": [1, 8]}})
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()

    assert [(each["name"], each["batch_size"]) for each in configuration(pod)["model_warmup"]] == [
        ("batch_1", 1),
        ("batch_8", 8),
    ]
    golden, rows = 1, 1 + 8  # Triton makes a batch of requests of one row each
    assert models.begun(model) == rows + golden

"""What `slipway top` and the pods of `slipway get` show of accelerators: by resource, and by class."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from slipway.cli.draw_pages import top_of
from slipway.cli.draw_tree import tree_of
from slipway.cli.model import Model
from slipway.cli.screen import Screen, drawn
from slipway.cli.top import holdings
from slipway.cli.tree import tree
from slipway.program import main
from tests.cli.scenes import scene
from tests.cli.speaking import script

H100 = {"driver": "gpu.nvidia.com", "pool": "n", "device": "gpu-0", "product": "NVIDIA H100 80GB HBM3"}
SLICE = {**H100, "device": "gpu-1-mig-0", "profile": "3g.40gb"}
SHARED = {**H100, "shared": True}
OTHERS = [("other", "shop"), ("churn", "another")]
SCREEN = Screen(width=200)
CLAIM: dict[str, Any] = {"resourceClaims": [{"name": "devices", "resourceClaimTemplateName": "churn-1"}]}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    labels = {"serving.slipway.dev/model-deployment": "churn"}
    return {"metadata": {"name": name, "namespace": "shop", "labels": labels}, "spec": spec}


def model(name: str = "churn", namespace: str = "shop", /, **devices: list[dict[str, Any]]) -> dict[str, Any]:
    """With the devices of each pod, those of two in one revision."""
    listed = [{"pod": pod, **device} for pod, each in devices.items() for device in each]
    revisions = [{"devices": listed[:2]}, {"devices": listed[2:]}, {}]
    return {"metadata": {"name": name, "namespace": namespace}, "status": {"revisions": revisions}}


@pytest.mark.parametrize(
    ("pods", "models", "kinds", "accelerators"),
    [
        pytest.param([pod("a")], [model()], (), 0, id="none"),
        pytest.param(
            [pod("a", containers=[{"resources": {"limits": {"nvidia.com/gpu": "2", "cpu": "1"}}}])],
            [],
            ("2 nvidia.com/gpu",),
            2,
            id="by resource",
        ),
        pytest.param(
            [pod("a", **CLAIM), pod("b", **CLAIM), pod("c", **CLAIM)],
            [model(a=[H100, H100], b=[H100], c=[SLICE])],
            ("3 NVIDIA H100 80GB HBM3", "1 NVIDIA H100 80GB HBM3 3g.40gb"),
            4,
            id="by class",
        ),
        pytest.param([pod("a", **CLAIM)], [model(a=[{"driver": "d.example"}])], ("1 d.example",), 1, id="no product"),
        pytest.param([pod("a", **CLAIM)], [model(a=[SHARED])], ("1 NVIDIA H100 80GB HBM3 shared",), 1, id="shared"),
        pytest.param(
            [pod("a", **CLAIM), pod("b", **CLAIM)],
            [model(a=[H100])],
            ("1 NVIDIA H100 80GB HBM3", "resource claims"),
            1,
            id="one waits for its own",
        ),
        pytest.param([pod("a", **CLAIM)], [], ("resource claims",), 0, id="status cannot be had"),
        pytest.param(
            [pod("a", **CLAIM)], [model(*other, a=[H100]) for other in OTHERS], ("resource claims",), 0, id="of others"
        ),
    ],
)  # fmt: skip
def test_a_model_holds_what_its_pods_were_given(
    pods: list[dict[str, Any]], models: list[dict[str, Any]], kinds: tuple[str, ...], accelerators: int
) -> None:
    (holding,) = holdings(pods, models)
    assert (set(holding.kinds), holding.accelerators) == (set(kinds), accelerators)
    assert (", ".join(holding.kinds) or "-") in drawn(top_of([holding], SCREEN, everywhere=False), SCREEN)


def test_a_pod_of_a_model_shows_the_devices_that_it_was_given() -> None:
    each = scene("serving")
    for body in each.pods:
        body["spec"] |= CLAIM
    given, waits = (pod.facts.name for pod in each.model.pods_of(each.body["status"]["stable"]["revision"])[:2])
    each.body["status"]["revisions"][0]["devices"] = [{"pod": given, **H100}, {"pod": given, **SLICE}]
    text = drawn(tree_of(tree(Model.read(each.body, each.pods)), SCREEN, each.now), SCREEN)
    lines = {name: line for line in text.splitlines() for name in (given, waits) if name in line}
    assert "1 NVIDIA H100 80GB HBM3, 1 NVIDIA H100 80GB HBM3 3g.40gb" in lines[given]
    assert "resource claims" in lines[waits]


def test_where_nobody_may_list_models_the_pods_are_shown_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels = '{"serving.slipway.dev/model-deployment": "churn"}'
    listed = f'{{"items": [{{"metadata": {{"name": "a", "labels": {labels}}}, "spec": {{"resourceClaims": [{{}}]}}}}]}}'
    (tmp_path / "pods").write_text(listed)
    script(monkeypatch, tmp_path, f'case "$*" in *pods*) cat "{tmp_path}/pods";; *) echo no >&2; exit 1;; esac\n')
    told = CliRunner().invoke(main, ["top"], catch_exceptions=False)
    assert told.exit_code == 0
    assert "devices by class are not shown: " in told.output
    assert "resource claims" in told.output

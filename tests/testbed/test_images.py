"""An image's tag says what is in it."""

import sys
from pathlib import Path

import pytest

from testbed import images, operating, site, tools
from testbed.images import Image
from testbed.shell import run


def _image(*inputs: str) -> Image:
    return Image("operator", inputs, lambda folder: None)


def test_the_tag_follows_the_base_and_every_input() -> None:
    tags = {_image("a").reference("one"), _image("a").reference("two"), _image("b").reference("one")}
    assert len(tags) == 3


def test_no_image_is_tagged_latest() -> None:
    assert all(not image.reference("base").endswith(":latest") for image in images.all_images())


def test_what_an_image_leaves_out_is_not_what_its_program_imports(tmp_path: Path) -> None:
    kept, dropped = tmp_path / "kubernetes/client/models/__init__.py", tmp_path / "kubernetes/client/models/v1_pod.py"
    kept.parent.mkdir(parents=True)
    kept.touch()
    dropped.touch()
    site._trim(tmp_path)
    assert kept.exists()
    assert not dropped.exists()


def test_the_trainer_has_all_of_slipway_that_its_program_imports(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setattr(site, "packages", lambda wanted: tmp_path / "none")
    images.trainer_image().context(tmp_path / "context")
    program = tmp_path / "context" / "examples" / "retrain" / "retrain.py"
    said = run(sys.executable, program, "--help", env={"PYTHONPATH": str(tmp_path / "context" / "app")})
    assert "--data" in said


@pytest.mark.parametrize("name", ["triton-cpu", "trainer"])
def test_onnx_runtime_tells_its_maker_nothing(name: str) -> None:
    lines = (images.IMAGES / name / "Dockerfile").read_text().splitlines()
    assert "ORT_DISABLE_TELEMETRY=1" in [word for line in lines if line.startswith("ENV ") for word in line.split()]


def test_no_release_has_the_trainer() -> None:
    assert images.trainer_image().name not in {image.name for image in images.all_images()}


def test_a_changed_recipe_of_a_program_is_built_in_another_folder() -> None:
    recipe = tools.RECIPES[1]
    assert recipe.folder != tools.Recipe(recipe.name, recipe.programs, recipe.package, "v0.0.0").folder


def test_every_image_has_a_dockerfile_that_runs_as_nobody_in_particular() -> None:
    for image in (*images.all_images(), images.trainer_image(), images.console_image()):
        assert "\nUSER 1000\n" in (image.source / "Dockerfile").read_text(), image.name


@pytest.mark.parametrize(
    ("reference", "known", "wanted"),
    [
        ("python:3.11", ["python@sha256:1"], "python@sha256:1"),
        ("docker.io/library/python:3.11", ["python@sha256:1"], "python@sha256:1"),
        (
            "r.io:5000/python",
            ["python@sha256:1", "r.io:5000/python@sha256:2"],
            "r.io:5000/python@sha256:2",
        ),
        ("r.io:5000/base:1", ["python@sha256:1", "r.io:5000/base@sha256:2"], "r.io:5000/base@sha256:2"),
        ("r.io/base:1", ["python@sha256:1"], "r.io/base:1"),
        ("python@sha256:1", ["python@sha256:1"], "python@sha256:1"),
        ("slipway.dev/base:made-here", [], "slipway.dev/base:made-here"),
    ],
)
def test_a_base_from_a_registry_is_named_by_its_digest(reference: str, known: list[str], wanted: str) -> None:
    assert images.by_digest(reference, known) == wanted


def test_an_operator_outside_its_image_runs_as_in_it() -> None:
    said = (images.IMAGES / "operator" / "Dockerfile").read_text()
    assert all(f"ENV {name}={value}\n" in said for name, value in operating.IMAGE_ENV.items())


def test_a_ready_cluster_is_used_only_when_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from testbed.cluster import Cluster

    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("USE_CLUSTER", raising=False)
    assert Cluster.given() is None

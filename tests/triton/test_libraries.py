"""Which libraries a Python model finds in the image, as docs/bundle.md lists them, and how it brings others."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.shell import ROOT
from tests.guard.pod import Container, container
from tests.triton import models
from tests.triton.installation import SOURCES, Installation

SECTION = re.compile(r"(?ms)^## Libraries of a Python model$.*?(?=^## )")
ROW = re.compile(r"(?m)^\| `(\w+)` \| ([\d.]+|none) \|")
SERVER, NONE = "nvidia-pytriton", "none"

ECHOES = """
{imports}
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        tensors = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", {answer})]) for x in tensors]
"""


@pytest.fixture
def pod(tmp_path: Path, tritonserver: Installation) -> Iterator[Container]:
    made = container(tmp_path, tritonserver)
    yield made
    made.remove()


def told() -> dict[str, str]:
    """The libraries of docs/bundle.md with their versions."""
    section = SECTION.search((ROOT / "docs" / "bundle.md").read_text())
    assert section
    return dict(ROW.findall(section[0]))


def test_the_page_lists_what_the_recipe_installs() -> None:
    lines = (SOURCES / "requirements.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {name: version for name, version in told().items() if version != NONE} == {
        name: version for name, version in pinned.items() if name != SERVER
    }


def test_the_image_has_these_and_no_others(tritonserver: Installation) -> None:
    site = tritonserver.root / "rootfs" / "opt" / "triton" / "site"
    packages = {entry.name for entry in site.iterdir() if entry.suffix not in {".libs", ".dist-info"}}
    assert packages == {name for name, version in told().items() if version != NONE}


def code(model: Path, imports: str, answer: str) -> None:
    (model / "1" / "model.py").write_text(ECHOES.format(imports=imports, answer=answer))


def test_a_python_model_has_them_in_these_versions(pod: Container) -> None:
    model = models.obedient(pod.repository)
    checks = [
        f"import {name}" + (f"; assert {name}.__version__ == {version!r}" if version != NONE else "")
        for name, version in told().items()
    ]
    code(model, "\n".join(["import sys; assert sys.version_info[:2] == (3, 11)", *checks]), "x * 2 + 1")
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()


@pytest.mark.parametrize("place", ["own/__init__.py", "own.py"])
def test_a_python_model_brings_others_beside_it(pod: Container, place: str) -> None:
    model = models.obedient(pod.repository)
    file = model / "1" / place
    file.parent.mkdir(exist_ok=True)
    file.write_text("def answer(x):\n    return x * 2 + 1\n")
    code(model, "import own", "own.answer(x)")
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()


def test_what_the_image_has_goes_before_what_lies_beside_the_model(pod: Container) -> None:
    model = models.obedient(pod.repository)
    (model / "1" / "onnxruntime.py").write_text("raise ImportError\n")
    code(model, "import onnxruntime", "x * 2 + 1")
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()


def test_a_library_that_is_not_there_is_named(pod: Container) -> None:
    model = models.obedient(pod.repository)
    code(model, "import tokenizers", "x")
    pod.start()
    pod.until_ended()
    assert pod.verdict["reason"] == "LoadFailed"
    assert "No module named 'tokenizers'" in pod.verdict["message"]

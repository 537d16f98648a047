"""What has no field in `spec.model.config` and is served as the bundle has it, on the real server: docs/bundle.md says
so of each."""

import shutil

import pytest

from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("", ["3"]),
        ("version_policy { latest { num_versions: 2 } }", ["2", "3"]),
        ("version_policy { specific { versions: [ 1, 3 ] } }", ["1", "3"]),
        ("version_policy { all { } }", ["1", "2", "3"]),
    ],
)
def test_the_versions_of_its_policy_are_served_and_no_others(pod: Container, policy: str, served: list[str]) -> None:
    model = models.linear(pod.repository, more=f"max_batch_size: 8\n{policy}")
    for version in ("2", "3"):
        shutil.copytree(model / "1", model / version)
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()
    assert sorted(pod.client.metadata(5)["versions"]) == served


@pytest.mark.parametrize(
    ("of_model", "argument", "executed"),
    [
        ("response_cache { enable: true }", "--cache-config=local,size=67108864", 1),
        ("response_cache { enable: true }", "", 3),
        ("", "--cache-config=local,size=67108864", 3),
    ],
    ids=["both", "no cache in the server", "no use of it by the model"],
)
def test_a_response_cache_needs_its_size_in_the_server_and_its_use_by_the_model(
    pod: Container, of_model: str, argument: str, executed: int
) -> None:
    model = models.obedient(pod.repository)
    pbtxt = model / "config.pbtxt"
    pbtxt.write_text(f"{pbtxt.read_text()}{of_model}\n")
    pod.golden(models.golden())
    pod.start(interval=0, args=[argument, f"--cache-directory={pod.installation.caches}"] if argument else [])
    pod.until_verified()
    before = models.begun(model)
    assert [pod.ask(4.0) for _ in range(3)] == [[9.0]] * 3
    assert models.begun(model) - before == executed
    assert ("67108864" in pod.log.replace(argument, "")) == bool(argument)

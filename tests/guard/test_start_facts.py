"""What a start took, as the guard publishes it."""

from pathlib import Path

import pytest

from slipway.guard import load, memory
from slipway.guard.start import Start

METRICS = """# HELP nv_gpu_memory_used_bytes GPU used memory, in bytes
nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 1500000000.000000
nv_gpu_memory_used_bytes{gpu_uuid="GPU-2"} 2.5e9
"""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(start: Start) -> dict[str, float]:
    lines = load.page(None, None, start.gauges()).splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))}


def test_a_start_is_told_by_its_times_and_what_memory_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "held", lambda: 3_000_000)
    clock = Clock()
    start = Start(tmp_path, clock)
    clock.now = 112.5
    start.loaded()
    clock.now = 113
    start.answered()
    clock.now = 300
    start.answered()  # the second golden request: the first one counts
    start.read("nothing of a GPU")
    start.read(METRICS)
    start.read('nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 9\n')  # later, of clients
    found = shown(start)
    assert found.pop("slipway_shared_memory_peak_bytes") >= 0
    assert found == {
        "slipway_start_load_seconds": 12.5,
        "slipway_start_first_answer_seconds": 13,
        "slipway_start_memory_bytes": 3_000_000,
        "slipway_start_gpu_memory_bytes": 4e9,
    }


def test_what_is_not_known_is_not_there(tmp_path: Path) -> None:
    start = Start(tmp_path / "none")
    start.look()
    start.read("nv_gpu_memory_used_bytes ...\n")
    assert shown(start) == {"slipway_shared_memory_peak_bytes": 0}


def test_the_most_that_shared_memory_held_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Used:
        f_blocks, f_bfree, f_frsize = 10, 4, 4096

    start = Start(tmp_path)
    monkeypatch.setattr("os.statvfs", lambda _: Used)
    start.look()
    Used.f_bfree = 9
    start.look()
    assert shown(start)["slipway_shared_memory_peak_bytes"] == 6 * 4096


@pytest.mark.parametrize(
    ("file", "text", "held"),
    [
        ("memory.stat", "anon 1000\nfile 77\nshmem 24\nkernel 5\n", 1024),
        ("memory/memory.stat", "cache 9\nrss 3\ntotal_rss 1000\ntotal_shmem 24\n", 1024),
        ("memory.stat", "anon many\n", None),
        ("other", "anon 1\n", None),
    ],
)
def test_memory_is_what_the_kernel_cannot_take_back(tmp_path: Path, file: str, text: str, held: int | None) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert memory.held(tmp_path) == held

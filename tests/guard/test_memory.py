"""What the kernel killed for memory, as both versions of cgroups tell it."""

from pathlib import Path

from slipway.guard import memory


def test_kills_are_counted_under_cgroups_2(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 0\n")
    assert memory.kills(tmp_path) == 3


def test_kills_are_counted_under_cgroups_1(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert memory.kills(tmp_path) == 1


def test_a_kernel_that_does_not_say_has_killed_nobody(tmp_path: Path) -> None:
    assert memory.kills(tmp_path) == 0

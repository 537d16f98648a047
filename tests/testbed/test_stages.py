"""Where the time of `make test` goes is told by stage and folder, and a stage that fails ends it."""

import re
import sys
from pathlib import Path

import pytest

from testbed import stages
from testbed.costs import Cost, folder_of, summed
from testbed.shell import ROOT
from testbed.stages import Stage, run_all, run_stage
from testbed.time_left import UNTIL_ENV
from tests.testbed.spent import BUSY, TESTS


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("tests/core/test_decide.py", "tests/core"),
        ("tests/core/rollout/test_gates.py", "tests/core"),
        ("tests/test_imports.py", "tests"),
        ("e2e/test_canary.py", "e2e"),
    ],
)
def test_a_file_counts_for_its_folder(file: str, folder: str) -> None:
    assert folder_of(file) == folder


def test_costs_of_one_name_are_summed_the_dearest_first() -> None:
    costs = summed([("a", Cost(1, 1, 2)), ("b", Cost(1, 5, 5)), ("a", Cost(2, 3, 4))])
    assert list(costs.items()) == [("b", Cost(1, 5, 5)), ("a", Cost(3, 4, 6))]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_tests_start_counts_for_their_folder_whoever_runs_them(tmp_path: Path, workers: int) -> None:
    (tmp_path / "conftest.py").write_text("from testbed.costs import register as pytest_configure\n")
    for folder in ("idle", "busy"):
        made = tmp_path / "tests" / folder
        made.mkdir(parents=True)
        (made / f"test_{folder}.py").write_text(TESTS[folder])
    pytest_of = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--numprocesses={workers}")
    done = run_stage("unit", (*pytest_of, f"--rootdir={tmp_path}", "--import-mode=importlib", str(tmp_path)))
    assert done.code == 0
    costs = done.by_folder
    assert {name: cost.tests for name, cost in costs.items()} == {"(collection)": 0, "tests/busy": 2, "tests/idle": 1}
    assert costs["tests/busy"].cpu_seconds >= BUSY
    assert costs["tests/idle"].cpu_seconds < BUSY
    assert done.cpu_seconds >= costs["tests/busy"].cpu_seconds


def test_what_fails_ends_it_and_the_cluster_goes_all_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    some = {name: python(f"print('{name}')") for name in ("lint", "cluster", "stories", "never")}
    done = run_all(keep=False, stages={**some, "stories": python("raise SystemExit(3)")}, down=python("print('down')"))
    assert [(stage.name, stage.code) for stage in done] == [("lint", 0), ("cluster", 0), ("stories", 3), ("down", 0)]
    assert capfd.readouterr().out.split() == ["lint", "cluster", "down"]


ONCE = """
from pathlib import Path

def test_steady(): pass

def test_once():
    second = Path(__file__).with_name("second")
    first, _ = not second.exists(), second.touch()
    assert not first
"""
NEVER = "import pytest\n@pytest.mark.parametrize('row', range({}))\ndef test_never(row): assert False"


@pytest.mark.parametrize(
    ("tests", "codes", "flaky"),
    [
        (ONCE, {"unit": 0, "unit, again": 0, "after": 0}, ["test_it.py::test_once"]),
        (NEVER.format(1), {"unit": 1, "unit, again": 1}, []),
        (NEVER.format(stages.FEW + 1), {"unit": 1}, []),
        ("", {"unit": 5}, []),
    ],
    ids=["once", "each time", "too many", "no test at all"],
)
def test_a_few_that_fail_have_a_second_chance_alone_and_are_named(
    tmp_path: Path, tests: str, codes: dict[str, int], flaky: list[str]
) -> None:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "test_it.py").write_text(tests)
    unit = (sys.executable, "-m", "pytest", "-q", "--numprocesses=2", f"--rootdir={tmp_path}", str(tmp_path))
    done = run_all(
        keep=False,
        stages={"unit": unit, "after": python("")},
        again={"unit": (*unit, "--last-failed", "--numprocesses=0")},
        last_failed=tmp_path / ".pytest_cache" / "v" / "cache" / "lastfailed",
    )
    assert {stage.name: stage.code for stage in done} == codes
    told = [line for line in stages.rows(done) if line.startswith("FLAKY")]
    assert told == [f"FLAKY, failed once and passed alone: {test}" for test in flaky]


def _recipe(target: str) -> str:
    """What `make` runs for it."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found, target
    return found[1]


def test_every_stage_that_runs_tests_has_a_second_chance() -> None:
    of_make = {name: command[1] for name, command in stages.STAGES.items() if command[0] == "make"}
    assert set(stages.AGAIN) == {name for name, target in of_make.items() if "pytest" in _recipe(target)}


def test_a_second_chance_is_given_however_late_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(UNTIL_ENV, "1")
    for command in stages.AGAIN.values():
        before_make = command[: command.index("make")]
        assert (
            run_stage(
                "again", (*before_make, *python(f"import os; raise SystemExit({UNTIL_ENV!r} in os.environ)"))
            ).code
            == 0
        )


def test_what_one_stage_leaves_out_another_runs() -> None:
    left_out = re.findall(r"--ignore=(\S+)", _recipe("unit"))
    assert left_out == re.findall(r"pytest (\S+)", _recipe("plane"))


def test_the_stories_have_a_cluster_that_no_earlier_run_has_left() -> None:
    names = list(stages.STAGES)
    assert stages.STAGES[names[names.index("cluster") - 1]] == stages.DOWN


def test_a_cluster_that_is_kept_or_was_never_there_is_not_taken_away() -> None:
    nothing = python("")
    assert [stage.name for stage in run_all(keep=True, stages={"cluster": nothing})] == ["cluster"]
    assert [stage.name for stage in run_all(keep=False, stages={"lint": nothing})] == ["lint"]


def test_the_table_has_a_line_for_each_stage_and_each_folder() -> None:
    unit = Stage("unit", 1, 12.34, 5.0, {"tests/core": Cost(7, 10.0, 8.0), "tests/api": Cost(2, 1.0, 1.0)})
    assert list(stages.rows([Stage("lint", 0, 4.0, 2.0), unit])) == [
        "stage                         tests    CPU s  clock s",
        "lint                                     4.0      2.0",
        "unit                              9     12.3      5.0  exit status 1",
        "  tests/core                      7     10.0      8.0",
        "  tests/api                       2      1.0      1.0",
    ]

"""What a month may hold that nothing can be trained on, and what is said of it."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from testbed.training import EXAMPLES
from testbed.updating import month


@pytest.fixture(scope="module")
def retrain() -> ModuleType:
    spec = importlib.util.spec_from_file_location("retrain", EXAMPLES / "retrain" / "retrain.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RIGHT = month(1)
HEAD, *ROWS = RIGHT.splitlines()
LEFT = [row for row in ROWS if row.endswith("1")]
SAID = [
    (b"", "is no table: "),
    (b"\xff\xfe\x00", "is no table: "),
    (RIGHT.replace("fee", "price", 1).encode(), "has no column fee; it takes contract, months, fee, left"),
    (RIGHT.replace(ROWS[3], "year,,1.0,0").encode(), "has empty cells; fill them or leave their rows out"),
    (
        "\n".join([RIGHT.partition("\n")[0], *LEFT]).encode(),
        "left has to be 0 or 1, and each of them at least 20 times",
    ),
    (RIGHT.replace(ROWS[3], "year,1,1.0,2").encode(), "left has to be 0 or 1, and each of them at least 20 times"),
]


@pytest.mark.parametrize(("content", "said"), SAID)
def test_a_month_that_cannot_be_trained_on_is_named_with_what_it_lacks(
    retrain: ModuleType, content: bytes, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "2026-09.csv"
    file.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        retrain.rows_of(file)
    assert str(ended.value).startswith(f"{file}: {said}")


def test_only_files_of_months_are_taken_and_a_quarter_of_the_newest_is_kept_out(
    retrain: ModuleType, tmp_path: Path
) -> None:
    for name, seed in (("2026-09", 1), ("2026-10", 2)):
        (tmp_path / f"{name}.csv").write_text(month(seed))
    (tmp_path / "notes.csv").write_text("remember\n")
    train, test = retrain.split(sorted(tmp_path.glob(retrain.MONTH)))
    assert (len(train), len(test)) == (1400, 200)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "s3://models/churn/1", "--key", "key.pem"], "write $(version) where the version has its place"),
        (["--to", "s3://models/churn/$(version)", "--key", "none.pem"], "--key none.pem: is not there"),
        (["--to", "s3://models/churn/$(version)", "--key", "key.pem"], "has no file of a month, such as 2026-11.csv"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said_before_anything_is_trained(
    retrain: ModuleType, words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key.pem").touch()
    monkeypatch.setattr("sys.argv", ["retrain.py", "--data", str(tmp_path), *words])
    with pytest.raises(SystemExit) as ended:
        retrain.main()
    assert said in str(ended.value)

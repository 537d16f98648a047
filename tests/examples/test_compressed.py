"""A float and an int8 version of one model side by side, and two versions that nobody is served."""

import re
import sys
from pathlib import Path

import pytest

from slipway.bundle.errors import BundleError
from slipway.bundle.serve import Served
from slipway.bundle.throughput import Load
from testbed.shell import ROOT, run
from testbed.training import EXAMPLES, train
from tests.bundle.serving import serve_bundle
from tests.triton.installation import installed


@pytest.mark.triton
def test_what_compression_costs_and_what_is_refused(tmp_path: Path) -> None:
    # given: a float version, and what compress.py makes of it
    train("digits", tmp_path / "digits")
    words = ["--bundle", "digits", "--out", "digits-int8", "--drifted", "digits-drifted"]
    program = EXAMPLES / "digits" / "compress.py"
    told = run(sys.executable, program, *words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT / "operator")})

    # then: a table tells the sizes, and one way was not packed, for its probabilities became worse
    sizes = re.search(r"size of the weights +(\S+) KiB +(\S+) KiB", told)
    assert sizes
    assert float(sizes[2]) < 0.4 * float(sizes[1])
    assert "not packed: neg_log_loss was -0." in told
    assert "and the gate is `neg_log_loss drop <= 0.01`" in told
    assert not (tmp_path / "refused").exists()

    # and: the server has both, answering each batch, and int8 holds to the float version's answers
    original, smaller = (served(tmp_path / name) for name in ("digits", "digits-int8"))
    assert original.said == smaller.said.replace("4 golden", "2 golden")
    assert [each.batch for each in original.throughput] == [each.batch for each in smaller.throughput]

    # but: not the one whose answers drifted
    with pytest.raises(BundleError, match=r"WrongAnswer: golden/batch\.json: probabilities\[\d, \d\] "):
        served(tmp_path / "digits-drifted")


def served(bundle: Path) -> Served:
    return serve_bundle(installed(), bundle, Load(seconds=0.1))

"""The commands of docs/bundle.md make a bundle that the fetcher takes, with nothing but `sha256sum`."""

import re
from pathlib import Path

from slipway.fetch import layout, model, sums
from testbed.shell import ROOT, run


def commands() -> str:
    """The console session as a script: commands and what they read, without what they print, up to the upload."""
    session = re.search(r"(?ms)^## By hand.*?^```console\n(.*?)^```", (ROOT / "docs" / "bundle.md").read_text())
    assert session
    script, typed = "set -e\n", False
    for line in session[1].splitlines():
        if line.startswith("$ aws"):
            break
        if line.startswith("$ "):
            script, typed = f"{script}{line[2:]}\n", "<<" in line
        elif typed:
            script, typed = f"{script}{line}\n", line != "END"
    return script


def test_a_bundle_made_as_the_page_says_is_taken(tmp_path: Path) -> None:
    (tmp_path / "churn.onnx").write_bytes(b"a network")
    run("bash", "-c", commands(), cwd=tmp_path, env={"HOME": str(tmp_path)})

    bundle = tmp_path / "bundle"
    found = {file.relative_to(bundle).as_posix(): file.read_bytes() for file in bundle.rglob("*") if file.is_file()}
    listed = sums.parse(found[sums.NAME])
    layout.check(list(listed))
    layout.check_complete(listed, found)
    configured = model.configure(found["config.pbtxt"], None, "churn")
    model.check_golden({"golden/one.json": found["golden/one.json"]}, configured)
    assert configured.declared["inputs"] == [("x", "FP32", [4])]

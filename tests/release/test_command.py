"""The command as one file, and for krew: started where nothing of it is installed, and read as krew reads it."""

import hashlib
import os
import re
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway import DISTRIBUTION
from testbed import site
from testbed.release import files, krew, pyz
from testbed.release.pyz import PLATFORMS, Platform
from testbed.release.registry import ReleaseError
from testbed.shell import ROOT
from testbed.tools import find
from tests.release.machines import ADDRESS, HERE, OTHERS

VERSION = site.project()["version"]
PIPX = "pipx==1.18.4"
(AS_THE_PAGE_HAS_IT,) = re.findall(r"(?m)^\$ (pipx install '[^']+')", (ROOT / "docs" / "release.md").read_text())
ELF, MACHO, SEVERAL = b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"
MACHINES = {
    "linux-amd64": rb"\x7fELF.{12}\x03\x00\x3e\x00",
    "linux-arm64": rb"\x7fELF.{12}\x03\x00\xb7\x00",
    "darwin-amd64": rb"\xcf\xfa\xed\xfe\x07\x00\x00\x01|\xca\xfe\xba\xbe.*\x01\x00\x00\x07",
    "darwin-arm64": rb"\xcf\xfa\xed\xfe\x0c\x00\x00\x01|\xca\xfe\xba\xbe.*\x01\x00\x00\x0c",
}
"""How a library for each begins; one for Darwin may be for several."""
MODELS = '{"items": [{"metadata": {"name": "churn", "namespace": "shop"}, "status": {"phase": "Ready"}}]}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a release would have, for this machine."""
    made = tmp_path_factory.mktemp("dist")
    files.commands(made, VERSION, HERE)
    return made


@pytest.fixture(scope="module")
def file(folder: Path) -> Path:
    (found,) = folder.glob("slipway-*.pyz")
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has nothing."""
    made = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    return made / "bin"


class Home:
    """A machine with a Python that has nothing, and a kubectl that has one model."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python = folder, python
        kubectl = folder / "kubectl"
        kubectl.write_text(f"#!/bin/sh\necho '{MODELS}'\n")
        kubectl.chmod(0o755)

    def run(self, program: Path, *words: str) -> "subprocess.CompletedProcess[str]":
        env = {"HOME": str(self.folder), "PATH": f"{self.folder}:{self.python}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        return subprocess.run([program, *words], env=env, capture_output=True, text=True, check=False)

    @property
    def unpacked(self) -> list[Path]:
        return list((self.folder / ".cache" / "slipway-command").iterdir())


@pytest.fixture
def home(tmp_path: Path, python: Path) -> Home:
    return Home(tmp_path, python)


def test_it_is_the_command_where_nothing_is_installed(file: Path, home: Home) -> None:
    assert home.run(file, "--version").stdout == f"slipway, version {VERSION}\n"
    told = home.run(file, "list")
    assert told.returncode == 0, told.stderr
    assert re.search(r"(?m)^churn .* Ready ", told.stdout)


def test_it_is_unpacked_once_for_its_reader_alone(file: Path, home: Home) -> None:
    for _ in range(2):
        assert home.run(file, "--version").returncode == 0
        (place,) = home.unpacked
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert not (place / "slipway" / "controller").exists()


def test_where_nothing_may_be_kept_it_runs_all_the_same(file: Path, home: Home) -> None:
    (home.folder / ".cache").write_text("no folder")
    assert home.run(file, "--version").stdout == f"slipway, version {VERSION}\n"


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("kubectl-slipway", ["--help"], "Usage: kubectl slipway"),
        ("kubectl_complete-slipway", ["g"], "get\t"),
        ("slipway", ["--help"], "Usage: slipway"),
    ],
)
def test_it_is_what_it_is_called_as(file: Path, home: Home, name: str, words: list[str], said: str) -> None:
    link = home.folder / name
    link.symlink_to(file)
    assert said in home.run(link, *words).stdout


def test_what_needs_packages_that_it_has_not_says_so(file: Path, home: Home) -> None:
    told = home.run(file, "console")
    assert told.returncode == 1
    assert f"not installed; pip install '{DISTRIBUTION}[console]'" in told.stderr


@pytest.mark.parametrize(("part", "other"), [(".cpython-3", ".cpython-9"), ("linux/", "plan9/")])
def test_for_another_python_or_machine_it_says_for_which_it_is(file: Path, home: Home, part: str, other: str) -> None:
    # given: the file of another
    path = home.folder / "other.pyz"
    with zipfile.ZipFile(file) as read, zipfile.ZipFile(path, "w") as written:
        for name in read.namelist():
            text = read.read(name).replace(part.encode(), other.encode()) if name == "for" else read.read(name)
            written.writestr(name.replace(part, other), text)
    told = home.run(home.python / "python", str(path), "list")
    assert told.returncode == 1
    assert re.match(r"slipway: this file is for \S+ and CPython 3\.\d+; this is linux/", told.stderr)
    assert "pipx install" in told.stderr


def test_the_same_packages_are_the_same_file(file: Path, folder: Path, tmp_path: Path) -> None:
    (wheel,) = folder.glob("*.whl")
    again = pyz.write(wheel, HERE.platforms[0], tmp_path, HERE.pythons)
    assert again.read_bytes() == file.read_bytes()
    packed = krew.archive(again, HERE.platforms[0], tmp_path)
    assert packed.read_bytes() == (folder / packed.name).read_bytes()


@pytest.mark.parametrize("version", sorted(OTHERS))
def test_each_python_that_it_is_for_starts_it(version: str, folder: Path, home: Home) -> None:
    (wheel,) = folder.glob("*.whl")
    made = pyz.write(wheel, HERE.platforms[0], home.folder, (version,))
    told = home.run(OTHERS[version], str(made), "list")
    assert re.search(r"(?m)^churn .* Ready ", told.stdout), told.stderr
    said = home.run(OTHERS[version], str(made), "--version").stdout
    assert said == f"slipway, version {VERSION}\n"


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_what_is_compiled_is_for_its_platform_alone(platform: Platform, folder: Path, tmp_path: Path) -> None:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(pyz.write(wheel, platform, tmp_path, ("3.14",))) as opened:
        beginnings = {name: opened.read(name)[:64] for name in opened.namelist()}
    compiled = {name: data for name, data in beginnings.items() if data.startswith((ELF, MACHO, SEVERAL))}
    assert sorted(name.split("/")[1] for name in compiled) == ["orjson", "pydantic_core"]
    assert [name for name, data in compiled.items() if not re.match(MACHINES[platform.name], data, re.DOTALL)] == []
    assert {name for name in beginnings if re.search(r"\.(so|dylib|pyd|dll)$", name)} == set(compiled)


def test_the_wheel_has_the_code_that_is_there_and_no_other(folder: Path) -> None:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if name.endswith(".py")}
    there = {str(each.relative_to(ROOT / "operator")) for each in (ROOT / "operator" / "slipway").rglob("*.py")}
    assert packed == there


def test_the_wheel_is_the_command_and_kubectls_plugin_by_pipx(folder: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "tools"], check=True)
    alone = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/tools/bin:{tmp_path}/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    own = {"PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(tmp_path / "bin"), "KUBECONFIG": "/dev/null"}
    env = {**alone, **own, **{name: text for name, text in os.environ.items() if name.startswith(("PIP_", "SSL_"))}}
    env["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    (kubectl := tmp_path / "bin" / "kubectl").parent.mkdir()
    kubectl.symlink_to(find("kubectl"))

    def run(words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(words, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False)

    # when: as the page has it
    installed = run(f"pip install --quiet {PIPX}"), run(AS_THE_PAGE_HAS_IT)
    assert [each.returncode for each in installed] == [0, 0], installed
    # then
    assert run("slipway --version").stdout == f"slipway, version {VERSION}\n"
    assert "Usage: kubectl slipway" in run("kubectl slipway --help").stdout
    assert "get\t" in run("kubectl __complete slipway g").stdout
    told = run("kubectl slipway list")
    assert (told.returncode, "not installed" in told.stderr, "kubectl" in told.stderr) == (1, False, True), told.stderr
    told = run("slipway console --port=1")
    assert f"jinja2: not installed; pip install '{DISTRIBUTION}[console]'" in told.stderr


def test_the_versions_are_those_that_are_tested() -> None:
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", each) for each in pyz.pinned((*pyz.COMPILED, *pyz.PURE)))


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / krew.MANIFEST).read_text())
    return found


def test_krews_manifest_is_one_that_krew_takes(folder: Path) -> None:
    found = manifest(folder)
    assert refused_by_krew("slipway", found) == []
    assert found["spec"]["version"] == f"v{VERSION}"


def test_what_it_names_is_what_is_published_and_starts(folder: Path, home: Home) -> None:
    (platform,) = manifest(folder)["spec"]["platforms"]
    place, _, name = platform["uri"].rpartition("/")
    assert place == ADDRESS
    assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == platform["sha256"]
    # when: as krew installs it
    with tarfile.open(folder / name) as archive:
        assert {each["from"] for each in platform["files"]} == set(archive.getnames())
        archive.extractall(home.folder / "store", filter="data")
    link = home.folder / "kubectl-slipway"
    link.symlink_to(home.folder / "store" / platform["bin"])
    # then
    assert "Usage: kubectl slipway" in home.run(link, "--help").stdout


def test_each_platform_has_one_entry(tmp_path: Path) -> None:
    archives = {each: tmp_path / f"{each.name}.tar.gz" for each in PLATFORMS}
    for path in archives.values():
        path.write_text(path.name)
    krew.write(archives, f"{ADDRESS}/", VERSION, tmp_path)
    found = manifest(tmp_path)
    assert refused_by_krew("slipway", found) == []
    assert [each["uri"] for each in found["spec"]["platforms"]] == [
        f"{ADDRESS}/{each.name}.tar.gz" for each in PLATFORMS
    ]
    assert len({str(each["selector"]) for each in found["spec"]["platforms"]}) == len(PLATFORMS)


@pytest.mark.parametrize("address", ["", "files.example", "http://files.example", "file:///x"])
def test_an_address_that_krew_cannot_trust_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="from https:// on"):
        krew.write({}, address, VERSION, tmp_path)


def refused_by_krew(name: str, found: dict[str, Any]) -> list[str]:
    """What krew's own rules say (its internal/index/validation), each that does not hold."""
    spec = found["spec"]
    rules = {
        "apiVersion": found["apiVersion"] == "krew.googlecontainertools.github.com/v1alpha2",
        "kind": found["kind"] == "Plugin",
        "name": found["metadata"]["name"] == name and re.fullmatch(r"[\w-]+", name),
        "shortDescription": re.fullmatch(r"[^\r\n]+", spec["shortDescription"]),
        "version": re.fullmatch(r"v\d+\.\d+\.\d+(-[\w.]+)?", spec["version"]),
        "platforms": spec["platforms"],
    }
    for index, platform in enumerate(spec["platforms"]):
        labels = platform["selector"]["matchLabels"]
        rules |= {
            f"platforms[{index}].uri": re.fullmatch(r"https://\S+\.(tar\.gz|zip)", platform["uri"]),
            f"platforms[{index}].sha256": re.fullmatch(r"[a-f0-9]{64}", platform["sha256"]),
            f"platforms[{index}].bin": platform["bin"],
            f"platforms[{index}].files": platform["files"]
            and all(each["from"] and each["to"] for each in platform["files"]),
            f"platforms[{index}].selector": labels and labels.keys() <= {"os", "arch"},
        }
    return [rule for rule, holds in rules.items() if not holds]

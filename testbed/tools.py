"""The programs that tests and demo run, each built from its Go module where it is absent.

A recipe's hash names the folder that its programs are kept in, so a changed recipe is built anew and an old build is
never mistaken for it. `find("kube-apiserver")` is all that others need.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testbed.say import MissingError, working
from testbed.shell import CACHE, CommandError, follow, locked, run

KUBERNETES_VERSION: Final = "1.34.4"
GO_MOD: Final = "module slipway.dev/testbed\n\ngo 1.26\n"
GO_REMEDY: Final = "install Go 1.26 or newer from https://go.dev/dl"
_STAMP = "k8s.io/component-base/version"
_KUBERNETES_LDFLAGS: Final = (
    f"-s -w -X {_STAMP}.gitVersion=v{KUBERNETES_VERSION} -X {_STAMP}.gitMajor=1 -X {_STAMP}.gitMinor=34"
    f" -X {_STAMP}.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES_VERSION}"
)


@dataclass(frozen=True)
class Recipe:
    """How one Go module becomes programs."""

    name: str
    programs: tuple[str, ...]
    package: str = ""  # one package of one module; empty: every `tool` line of `go_mod`
    version: str = ""
    go_mod: str = GO_MOD
    ldflags: str = "-s -w"
    assets: str = ""  # a folder of the module that its programs need at run time, kept as `share/`
    sources: tuple[tuple[str, str], ...] = ()  # files of ours by place; under vendor/ they go into a module's package

    @property
    def builds(self) -> str:
        """What `go build` is given."""
        return self.package or ("." if self.sources else "tool")

    @property
    def folder(self) -> Path:
        """Where its programs are kept."""
        return CACHE / "tools" / f"{self.name}-{hashlib.sha256(repr(self).encode()).hexdigest()[:12]}"


def _one(name: str, package: str, version: str, *, assets: str = "") -> Recipe:
    return Recipe(name, (name,), package, version, assets=assets)


# The replace lines of Kubernetes make `go install PACKAGE@VERSION` impossible: its programs share a go.mod.
_DNS: Final = Path(__file__).parent / "dns"
_POLICIES: Final = Path(__file__).parent / "network_policies"
_PACKAGE: Final = "vendor/sigs.k8s.io/kube-network-policies/pkg/networkpolicy"

RECIPES: Final = (
    Recipe(
        "kubernetes",
        ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet"),
        go_mod=(Path(__file__).parent / "kubernetes" / "go.mod").read_text(),
        ldflags=_KUBERNETES_LDFLAGS,
    ),
    _one("etcd", "go.etcd.io/etcd/server/v3", "v3.6.8"),
    _one("kwok", "sigs.k8s.io/kwok/cmd/kwok", "v0.8.0", assets="kustomize/stage"),
    _one("kind", "sigs.k8s.io/kind", "v0.33.0"),
    # All of its plugins would bring every cloud's SDK.
    Recipe(
        "coredns",
        ("coredns",),
        go_mod=(_DNS / "go.mod").read_text(),
        sources=(("main.go", (_DNS / "main.go").read_text()),),
    ),
    _one("helm", "helm.sh/helm/v3/cmd/helm", "v3.19.0"),
    _one("versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"),
    _one("registry", "github.com/distribution/distribution/v3/cmd/registry", "v3.1.2"),
    _one("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server", "v0.9.0"),
    # What it makes of a packet, without a kernel to catch any.
    Recipe(
        "network-policies",
        ("network-policies",),
        go_mod=(_POLICIES / "go.mod").read_text(),
        sources=(
            ("main.go", (_POLICIES / "main.go").read_text()),
            (f"{_PACKAGE}/lets.go", (_POLICIES / "lets.go").read_text()),
        ),
    ),
)
_BY_PROGRAM: Final = {program: recipe for recipe in RECIPES for program in recipe.programs}


def find(program: str) -> Path:
    """The path of a program, built first where it is absent."""
    recipe = _BY_PROGRAM[program]
    ensure(recipe)
    return recipe.folder / "bin" / program


def links() -> Path:
    """A folder for PATH with every program that was built."""
    folder = CACHE / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for program, recipe in _BY_PROGRAM.items():
        link, target = folder / program, recipe.folder / "bin" / program
        if target.exists() and link.resolve() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    return folder


def assets(program: str) -> Path:
    """The folder with what the program's module ships beside it."""
    find(program)
    return _BY_PROGRAM[program].folder / "share"


def ensure(recipe: Recipe) -> None:
    """Build what is absent. Two processes that ask at once build it once."""
    if recipe.folder.exists():
        return
    need_go()
    with locked(recipe.folder):
        if not recipe.folder.exists():
            _build(recipe)


def need_go() -> None:
    """Say in one sentence that there is no Go, or only one that is too old."""
    if not shutil.which("go"):
        raise MissingError(f"go is not on PATH: {GO_REMEDY}.")
    with tempfile.TemporaryDirectory() as module:
        # Go itself fetches the version that a module asks for, where GOTOOLCHAIN lets it and it can be had.
        (Path(module) / "go.mod").write_text(GO_MOD)
        found = _go_version(Path(module))
    if found < _version(GO_MOD):
        own = ".".join(map(str, found or _go_version(Path("/")))) or "of no known version"
        raise MissingError(f"go on PATH is {own}, and it fetches no newer one: {GO_REMEDY}.")


def _go_version(where: Path) -> tuple[int, ...]:
    return _version(run("go", "version", cwd=where, check=False))


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"go ?(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()


def _build(recipe: Recipe) -> None:
    env = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    with tempfile.TemporaryDirectory() as source, working(f"building {', '.join(recipe.programs)}") as tell:
        where, target = Path(source), recipe.folder.with_suffix(".part")
        shutil.rmtree(target, ignore_errors=True)
        (target / "bin").mkdir(parents=True)
        (where / "go.mod").write_text(recipe.go_mod)
        _write(recipe, where, vendored=False)
        prepare = (
            ["go", "get", "-tool", f"{recipe.package}@{recipe.version}"] if recipe.package else ["go", "mod", "tidy"]
        )
        _insist(prepare, tell, where, env)
        if any(_vendored(name) for name, _ in recipe.sources):
            _insist(["go", "mod", "vendor"], tell, where, env)
            _write(recipe, where, vendored=True)
        # `go build` names a lone program after its package, which may be a version or not what we call it.
        out = f"{target}/bin/{'' if recipe.builds == 'tool' else recipe.programs[0]}"
        build = ["go", "build", "-v", "-trimpath", "-ldflags", recipe.ldflags, "-o", out, recipe.builds]
        _insist(build, _counted(tell, where, env, recipe), where, env)
        if recipe.assets:
            module = run("go", "list", "-f", "{{.Module.Dir}}", recipe.package, cwd=where, env=env).strip()
            shutil.copytree(Path(module) / recipe.assets, target / "share")
        run("chmod", "-R", "u+w", target)  # modules are unpacked read-only
        target.rename(recipe.folder)


def _write(recipe: Recipe, where: Path, *, vendored: bool) -> None:
    for name, text in recipe.sources:
        if _vendored(name) is vendored:
            (where / name).write_text(text)


def _vendored(name: str) -> bool:
    return name.startswith("vendor/")


def _insist(argv: list[str], tell: Callable[[str], None], where: Path, env: dict[str, str], tries: int = 3) -> None:
    """Both download, which may fail once. What is there already is neither fetched nor compiled again."""
    try:
        follow(argv, tell, where, env)
    except CommandError:
        if tries == 1:
            raise
        _insist(argv, tell, where, env, tries - 1)


def _counted(tell: Callable[[str], None], where: Path, env: dict[str, str], recipe: Recipe) -> Callable[[str], None]:
    """`go build -v` prints a line for each package that it compiles: enough for a count."""
    total = len(run("go", "list", "-deps", recipe.builds, cwd=where, env={**os.environ, **env}).split())
    compiled = 0

    def line(text: str) -> None:
        nonlocal compiled
        compiled += 1
        tell(f"{compiled} of at most {total} packages, {text}")

    return line

"""The project's images. A tag is a fingerprint of what went in, so a tag that exists need not be built again.

All of them stand on one base with Python 3.11: the one that `SLIPWAY_BASE_IMAGE` names, or the public one where it can
be pulled, or one made of Debian packages.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testbed import debian, site, tools
from testbed.engine import answers, client, docker
from testbed.fingerprint import fingerprint
from testbed.say import working
from testbed.shell import ROOT, locked, run, works

IMAGES: Final = ROOT / "images"
PUBLIC_BASE: Final = "python:3.11-slim-bookworm"
CODE: Final = ROOT / "operator" / "slipway"
OPERATOR_CODE: Final = ("__init__.py", "program.py", "option_types.py", "api", "core", "controller", "guard", "triton")
CONSOLE_CODE: Final = (
    "__init__.py",
    "program.py",
    "option_types.py",
    "api",
    "core",
    "triton",
    "guard",
    "cli",
    "console",
)
CONSOLE_PACKAGES: Final = ("aiohttp", "click", "orjson", "pydantic", "pyyaml")
"""Of those that the operator needs too."""
FETCHER_CODE: Final = ("__init__.py", "api", "triton", "fetch", "guard")
TRAINER_CODE: Final = (*FETCHER_CODE, "option_types.py", "bundle", "catalogue", "cli")
EXAMPLES: Final = ROOT / "examples"
TRAINING: Final = ("churn/train.py", "retrain/retrain.py")
"""What runs in the trainer: of the examples."""


@dataclass(frozen=True)
class Image:
    """One image: where its Dockerfile is, what its tag follows from, and how its context is laid out."""

    name: str
    inputs: tuple[str | Path, ...]
    assemble: Callable[[Path], None]
    folder: str = ""  # under images/, when it is not called like the image
    arguments: tuple[str, ...] = ()

    @property
    def source(self) -> Path:
        """The folder of its Dockerfile."""
        return IMAGES / (self.folder or self.name)

    def reference(self, base: str) -> str:
        """The name and tag that it has on this base."""
        return f"slipway.dev/{self.name}:{fingerprint(base, self.source, *self.inputs)}"

    def context(self, folder: Path) -> None:
        """Lay out its build context, Dockerfile included."""
        folder.mkdir(parents=True, exist_ok=True)
        self.assemble(folder)
        shutil.copy(self.source / "Dockerfile", folder)


def all_images() -> tuple[Image, ...]:
    """The images that a cluster with Slipway needs, and the store that its models come from."""
    return (
        _python_image("operator", site.requirements(), OPERATOR_CODE, "slipway"),
        _python_image("fetcher", site.requirements("fetch"), FETCHER_CODE, "slipway-fetch"),
        Image("triton-cpu", (), _assemble_triton),
        Image("store", (tools.find("versitygw").parent.parent.name,), _assemble_store),
    )


def trainer_image() -> Image:
    """The image that examples/retrain runs. No release has it: whoever trains has packages of their own."""
    extras = [each for extra in ("fetch", "bundle", "sign") for each in site.requirements(extra)]
    lines = (EXAMPLES / "churn" / "requirements.txt").read_text().splitlines()
    every = dict.fromkeys([*site.requirements(), *extras, *lines])
    wanted = [each for each in every if not each.startswith(("slipway-serving[", "-e "))]
    programs = {name: EXAMPLES / name for name in TRAINING}

    def assemble(folder: Path) -> None:
        _lay_out(folder, wanted, TRAINER_CODE)
        for name, source in programs.items():
            target = folder / "examples" / name
            target.parent.mkdir(parents=True)
            shutil.copy(source, target)

    return Image("trainer", (*_inputs(wanted, TRAINER_CODE), *programs.values()), assemble)


def console_image() -> Image:
    """The console for many. No test's cluster needs it, and a release has it."""
    shared = [each for each in site.requirements() if re.split(r"[^a-z-]", each)[0] in CONSOLE_PACKAGES]
    return _python_image("console", [*shared, *site.requirements("console")], CONSOLE_CODE, "slipway")


def program_image(program: str) -> Image:
    """An image that is one static program and nothing else."""
    source = tools.find(program)

    def assemble(folder: Path) -> None:
        shutil.copy(source, folder)

    return Image(program, (source.parent.parent.name,), assemble, folder="program", arguments=(f"PROGRAM={program}",))


def build_all() -> dict[str, str]:
    """Build what is absent. Returns each image's reference by its name."""
    base = base_image()
    return {image.name: build(image, base) for image in all_images()}


def build(image: Image, base: str) -> str:
    """Build one image if it is absent and return its reference."""
    reference = image.reference(base)
    with locked(Path(reference)):
        if not exists(reference):
            with working(f"building image {image.name}"), tempfile.TemporaryDirectory() as folder:
                image.context(Path(folder))
                arguments = [f"--build-arg={argument}" for argument in (f"BASE={base}", *image.arguments)]
                docker("build", "--quiet", *arguments, f"--tag={reference}", folder)
    return reference


def base_image() -> str:
    """The image that all others stand on."""
    if given := os.environ.get("SLIPWAY_BASE_IMAGE"):
        if not exists(given):
            docker("pull", "--quiet", given)
        return _pinned(given)
    if exists(PUBLIC_BASE) or works(client(), "pull", "--quiet", PUBLIC_BASE):
        return _pinned(PUBLIC_BASE)
    reference = f"slipway.dev/base:{fingerprint(IMAGES / 'base')}"
    with locked(Path(reference)):
        if not exists(reference):
            with working("building the base image from Debian packages"):
                import_debian(
                    reference,
                    "--variant=extract",
                    f"--include={debian_packages('base')}",
                    f"--setup-hook={IMAGES / 'base' / 'setup'}",
                    f"--extract-hook={IMAGES / 'base' / 'finish'}",
                )
    return reference


def _pinned(reference: str) -> str:
    known = docker("image", "inspect", "--format={{range .RepoDigests}}{{println .}}{{end}}", reference)
    return by_digest(reference, known.split())


def by_digest(reference: str, known: list[str]) -> str:
    """REPOSITORY@DIGEST of an image, where its registry gave it one: a moved tag is another image."""
    plain = reference.partition("@")[0]
    repository = plain if ":" not in plain.rpartition("/")[2] else plain.rpartition(":")[0]
    hub = repository.removeprefix("docker.io/").removeprefix("library/")  # docker leaves out its own hub's name
    return next((each for each in known if each.partition("@")[0] in {repository, hub}), reference)


def debian_packages(name: str) -> str:
    """The packages that a base image is made of, as mmdebstrap takes them."""
    lines = (IMAGES / name / "packages").read_text().splitlines()
    return ",".join(line for line in lines if not line.startswith("#"))


def import_debian(reference: str, *options: str) -> None:
    """Make an image out of Debian packages alone."""
    debian.have(mmdebstrap="mmdebstrap")
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "root.tar"
        run("mmdebstrap", "--quiet", "--aptopt=Acquire::Retries 3", *options, "bookworm", tar)
        docker("import", "--change=ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8", tar, reference)


def remove_all() -> None:
    """Remove every image that was made here, if an engine answers."""
    if answers() and (found := docker("image", "ls", "--quiet", "--filter=reference=slipway.dev/*").split()):
        docker("image", "rm", "--force", *dict.fromkeys(found), check=False)


def exists(reference: str) -> bool:
    """Whether the engine has the image."""
    return bool(docker("image", "ls", "--quiet", reference).strip())


def megabytes(reference: str) -> int:
    """Size of an image, unpacked."""
    return int(docker("image", "inspect", "--format={{.Size}}", reference)) // 1_000_000


def _python_image(name: str, wanted: list[str], code: tuple[str, ...], script: str) -> Image:
    def assemble(folder: Path) -> None:
        _lay_out(folder, wanted, code)
        _write_script(folder / "app" / "bin" / script, site.project()["scripts"][script])

    return Image(name, _inputs(wanted, code), assemble)


def _lay_out(folder: Path, wanted: list[str], code: tuple[str, ...]) -> None:
    """Packages in site/, and what is our own in app/."""
    shutil.copytree(site.packages(wanted), folder / "site")
    app = folder / "app"
    for part in code:
        source, target = CODE / part, app / "slipway" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyi", "*.md"))
        else:
            shutil.copy(source, target)
    _write_metadata(app)


def _inputs(wanted: list[str], code: tuple[str, ...]) -> tuple[str | Path, ...]:
    parts = (CODE / part for part in code)
    return (*wanted, *site.UNUSED, ROOT / "constraints.txt", ROOT / "pyproject.toml", *code, *parts)


def _write_metadata(app: Path) -> None:
    """What `importlib.metadata` knows of an installed package: its version is part of what it does."""
    name, version = site.project()["name"], site.project()["version"]
    folder = app / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def _write_script(path: Path, entry: str) -> None:
    module, function = entry.split(":")
    path.parent.mkdir(parents=True)
    path.write_text(
        f"#!/usr/bin/env python3\nimport sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n"
    )
    path.chmod(0o755)


def _assemble_triton(folder: Path) -> None:
    debian.have(strip="binutils")
    # It asks for python3 with pip: ours has it, a bare Debian's may not.
    run(IMAGES / "triton-cpu" / "assemble", folder, env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})


def _assemble_store(folder: Path) -> None:
    shutil.copy(tools.find("versitygw"), folder)
    shutil.copy(IMAGES / "store" / "serve", folder)

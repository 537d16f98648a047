"""What a configuration names has to be in the bundle. Pure: known from names, and each would cost two pods a start.

Triton looks for a missing `model.py` for ever, and says of other files only after its start that they are not there.
Paths are those of 2.51. Of backends that are not known here nothing is asked.
"""

import posixpath
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from slipway.fetch import layout
from slipway.fetch.verdict import invalid, shown
from slipway.triton.config import Declared
from slipway.triton.model_config_pb2 import ModelConfig

_MODEL_FILES: Final = {
    "onnxruntime": ("model.onnx",),
    "python": ("model.py",),
    "pytorch": ("model.pt", "model.pt2", "model.py"),
    "tensorrt": ("model.plan",),
}
"""What a backend reads from a version directory unless `default_model_filename` says otherwise: one of these."""
ENSEMBLE: Final = "ensemble"
FIRST: Final = "1"
_MODEL_DIRECTORY: Final = "$$TRITON_MODEL_DIRECTORY/"


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """A path in the model's directory, and the field that names it."""

    field: str
    path: str


def check(config: ModelConfig, declared: Declared, paths: Collection[str], place: str = "") -> None:
    """BundleInvalid with field and path unless these files, by their plain names, are all that `config` names. `place`:
    of the model in the bundle."""
    if declared["backend"] != ENSEMBLE:  # it has no file of its own, and the fetcher makes its version directory
        layout.check_has_version(paths, place)
    tree, at = _Tree(paths), f"{place}{layout.CONFIG}"
    versions = served(config, paths, at)
    for reference in _references(config, versions):
        path = posixpath.normpath(reference.path)
        if path not in tree:
            raise invalid(
                f"{at}: {reference.field}: the bundle has no {place}{path}; add that file, or correct the name"
            )
    if not config.default_model_filename and not config.cc_model_filenames and not config.runtime:
        for version in versions:
            _check_model_file(declared["backend"], version, tree, place)


def served(config: ModelConfig, paths: Collection[str], at: str) -> list[str]:
    """The version directories that Triton would load; BundleInvalid where its policy names one that is not there."""
    there = version_directories(paths)
    policy = config.version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return there
        case "specific":
            return [_version(number, there, at) for number in policy.specific.versions] or _no_version(there, at)
        case _:
            return there[-max(policy.latest.num_versions, 1) :]


def version_directories(paths: Iterable[str]) -> list[str]:
    """Those that a model's files are in, in their order; an ensemble without any gets one."""
    tops = {path.partition("/")[0] for path in paths if "/" in path}
    return sorted((name for name in tops if layout.is_version(name)), key=int) or [FIRST]


def _version(number: int, there: list[str], at: str) -> str:
    if str(number) not in there:
        raise invalid(
            f"{at}: version_policy.specific: the bundle has no version {number}, it has {shown(there)}; "
            "name one of these, or add the directory"
        )
    return str(number)


def _no_version(there: list[str], at: str) -> list[str]:
    raise invalid(f"{at}: version_policy.specific: names no version; the bundle has {shown(there)}")


def _references(config: ModelConfig, versions: list[str]) -> Iterator[_Reference]:
    for version in versions:
        yield from _model_files(config, version)
    for index, output in enumerate(config.output):
        if output.label_filename:
            yield _reference(f"output[{index}].label_filename", "", output.label_filename)
    yield from _data(config)
    environment = config.parameters["EXECUTION_ENV_PATH"].string_value if _has_environment(config) else ""
    if environment.startswith(_MODEL_DIRECTORY):  # any other path is the image's
        yield _reference("parameters[EXECUTION_ENV_PATH]", "", environment.removeprefix(_MODEL_DIRECTORY))


def _model_files(config: ModelConfig, version: str) -> Iterator[_Reference]:
    if config.default_model_filename:
        yield _reference("default_model_filename", version, config.default_model_filename)
    for capability, name in sorted(config.cc_model_filenames.items()):
        yield _reference(f"cc_model_filenames[{capability}]", version, name)


def _data(config: ModelConfig) -> Iterator[_Reference]:
    for sample in config.model_warmup:
        for name, tensor in sorted(sample.inputs.items()):
            if tensor.WhichOneof("input_data_type") == "input_data_file":
                yield _reference(f"model_warmup.inputs[{name}].input_data_file", "warmup", tensor.input_data_file)
    for state in config.sequence_batching.state:
        for initial in state.initial_state:
            if initial.WhichOneof("state_data") == "data_file":
                field = f"sequence_batching.state[{state.input_name}].initial_state.data_file"
                yield _reference(field, "initial_state", initial.data_file)


def _has_environment(config: ModelConfig) -> bool:
    return "EXECUTION_ENV_PATH" in config.parameters  # a read of what is not in a map of protobuf's puts it there


def _reference(field: str, directory: str, name: str) -> _Reference:
    return _Reference(field=field, path=posixpath.join(directory, name.lstrip("/")))


def _check_model_file(backend: str, version: str, tree: Collection[str], place: str) -> None:
    names = _MODEL_FILES.get(backend, ())
    if not names or any(f"{version}/{name}" in tree for name in names):
        return
    has = sorted({path for path in tree if path.startswith(f"{version}/") and path.count("/") == 1})
    raise invalid(
        f"{place}{version}/{names[0]}: not in the bundle, and the {backend} backend runs it; the bundle has "
        f"{shown(has)}: rename it, or name it in default_model_filename"
    )


class _Tree(Collection[str]):
    """The files and the directories that they are in: a model file, or an environment, may be a directory.

    Directories are found and not kept: those of some thousand deep paths filled a gigabyte.
    """

    def __init__(self, paths: Collection[str]) -> None:
        self._files = sorted(paths)

    def __contains__(self, path: object) -> bool:
        inside = f"{path}/"
        at, below = bisect_left(self._files, str(path)), bisect_left(self._files, inside)
        return self._files[at : at + 1] == [path] or any(
            file.startswith(inside) for file in self._files[below : below + 1]
        )

    def __iter__(self) -> Iterator[str]:
        for path in self._files:
            yield from layout.parents(path)
            yield path

    def __len__(self) -> int:
        return len(self._files)

"""What a bundle says of one of its models: config.pbtxt with the spec's overlay on it, and what has to fit it. Pure."""

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import json_format

from slipway.fetch import golden, layout, references, sums
from slipway.fetch.verdict import FetchError, Reason, invalid
from slipway.guard import document, model_config
from slipway.guard.golden import check_model
from slipway.guard.model_config import ModelConfig as Way
from slipway.guard.wire import CannotAskError
from slipway.triton import config
from slipway.triton.config import Declared
from slipway.triton.model_config_pb2 import ModelConfig

CONFIG_LIMIT_BYTES: Final = 1024 * 1024
"""Its parser took 700 MiB for 4 MiB of blanks."""

PYTHON: Final = "python"
"""The backend that runs whatever a bundle brings."""
_CODE_FILE: Final = re.compile(r"\.so(\.[^/]*)?$|\.py[co]?$")
"""Libraries, and what Python finds beside a model that it runs for another backend."""
_CODE_PARAMETERS: Final = frozenset({"execution_env_path", "cpu_extension_path", "trt_extra_plugin_lib_paths"})
"""By which a configuration has its backend load a file of any name, in lower case."""
_COMPILED: Final = "torch_aoti"
"""The platform of PyTorch whose model file is a library in an archive."""


@dataclass(frozen=True, kw_only=True)
class Configured:
    """The configuration as Triton gets it."""

    config: ModelConfig
    declared: Declared
    optional_inputs: frozenset[str]
    way: Way
    """How it is asked."""
    place: str = ""
    """Where it is in the bundle: `models/NAME/` for a part."""

    @property
    def at(self) -> str:
        """Its configuration's path, for messages."""
        return f"{self.place}{layout.CONFIG}"

    @property
    def text(self) -> str:
        """As it is written for Triton."""
        return config.to_text(self.config)


def configure(content: bytes, overlay: Mapping[str, Any] | None, name: str, place: str = "") -> Configured:
    """The bundle's config.pbtxt, named after the model, with the overlay on it.

    Triton wants `name` to be the directory's; the bundle's own name stays the user's business. And it guesses a backend
    that is not named from a file's name too: what is declared here is what is run.
    """
    at = f"{place}{layout.CONFIG}"
    if len(content) > CONFIG_LIMIT_BYTES:
        raise invalid(f"{at}: {len(content)} bytes, and {CONFIG_LIMIT_BYTES} are the most; shorten it")
    try:
        parsed = config.parse(document.text(content))
    except document.NotText as error:
        raise invalid(f"{at}: {error}") from None
    except config.ConfigError as error:
        raise invalid(f"{at}: {error}; correct it and upload the bundle again") from None
    except Exception as error:  # the boundary to a parser of what anybody may write
        raise invalid(f"{at}: cannot be read ({type(error).__name__}); write it anew") from error
    merged = _merged(parsed, overlay) if overlay else parsed
    merged.name = name
    if not merged.HasField("ensemble_scheduling"):  # which Triton wants without one
        merged.backend = config.declared(merged)["backend"]
    optional = frozenset(tensor.name for tensor in merged.input if tensor.optional)
    way = _way(merged, at)
    declared = config.declared(merged)
    return Configured(config=merged, declared=declared, optional_inputs=optional, way=way, place=place)


def _way(merged: ModelConfig, at: str) -> Way:
    """As the server will tell it. BundleInvalid for a model that no request could be asked of."""
    way = model_config.read(json_format.MessageToDict(merged, preserving_proto_field_name=True))
    try:
        check_model(way)
    except CannotAskError as error:
        raise invalid(f"{at}: {error}; correct it and upload the bundle again") from None
    return way


def check_backend(model: Configured, paths: Iterable[str], allowed: Sequence[str]) -> None:
    """The model has a backend that the platform allows and, unless that runs Python, no code beside it: a library that
    lies in the bundle goes before the server's own of that name."""
    if not allowed:
        return
    backend = model.declared["backend"]
    remedy = "take another, or have whoever administers this cluster allow it (the chart's models.allowedBackends)"
    if backend not in allowed:
        message = f"{model.at}: backend: {backend} is not allowed here, only {', '.join(allowed)}; {remedy}"
        raise FetchError(Reason.BACKEND_NOT_ALLOWED, message)
    if backend == PYTHON:
        return
    code = _code(model.config)
    file = next(filter(_CODE_FILE.search, sorted(paths)), None)
    if code or file:
        brought = f"{model.at}: {code}" if code else f"{model.place}{file}"
        message = f"{brought}: code of a bundle's own is not allowed here, only {', '.join(allowed)}; take it out, or "
        message += f"have whoever administers this cluster allow {PYTHON} and make it that (models.allowedBackends)"
        raise FetchError(Reason.BACKEND_NOT_ALLOWED, message)


def check_held(unhashed: Collection[str], allowed: Sequence[str]) -> None:
    """Where the platform says which backends there are, pods fetch the very bytes that were looked at: a store that
    sends others under the same names, sizes and tags would choose its backend after all."""
    if allowed and unhashed:
        message = f"{min(unhashed)}: nothing says which bytes are meant, and only some backends are allowed here"
        remedy = f"write {sums.NAME} and upload it"
        raise FetchError(Reason.BACKEND_NOT_ALLOWED, f"{message} ({', '.join(allowed)}); {remedy}")


def _code(parsed: ModelConfig) -> str | None:
    """The field by which it names code that its backend is to load, if it does."""
    accelerators = parsed.optimization.execution_accelerators
    groups = (*accelerators.gpu_execution_accelerator, *accelerators.cpu_execution_accelerator)
    parameters = itertools.chain(parsed.parameters, *(each.parameters for each in groups))
    fields = {
        "runtime": bool(parsed.runtime),
        "model_operations": bool(parsed.model_operations.op_library_filename),
        "platform": parsed.platform == _COMPILED,
        **{f"parameters[{name}]": name.lower() in _CODE_PARAMETERS for name in parameters},
    }
    return next((field for field, named in fields.items() if named), None)


def _merged(parsed: ModelConfig, overlay: Mapping[str, Any]) -> ModelConfig:
    from slipway.triton.overlay import merge  # see there

    try:
        return merge(parsed, overlay)
    except config.ConfigError as error:
        raise FetchError(Reason.SPEC_INVALID, f"spec.model.config.{error}") from None


def check_golden(files: Mapping[str, bytes], model: Configured) -> None:
    """Every golden request of the bundle can be asked of the model."""
    for path, content in sorted(files.items()):
        golden.check(path, content, model.declared, model.optional_inputs, model.way)


def check_references(paths: Collection[str], model: Configured) -> None:
    """Every file that the configuration names is one of the model's own, by their plain names in its directory."""
    references.check(model.config, model.declared, paths, model.place)

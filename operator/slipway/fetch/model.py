"""What a bundle says of its model: config.pbtxt with the spec's overlay on it, and golden requests that fit. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway.fetch import golden, layout, references
from slipway.fetch.verdict import FetchError, Reason, invalid
from slipway.guard import document
from slipway.triton import config
from slipway.triton.config import Declared
from slipway.triton.model_config_pb2 import ModelConfig

CONFIG_LIMIT_BYTES: Final = 1024 * 1024
"""Its parser took 700 MiB for 4 MiB of blanks."""


@dataclass(frozen=True, kw_only=True)
class Configured:
    """The configuration as Triton gets it."""

    config: ModelConfig
    declared: Declared
    optional_inputs: frozenset[str]

    @property
    def text(self) -> str:
        """As it is written for Triton."""
        return config.to_text(self.config)


def configure(content: bytes, overlay: Mapping[str, Any] | None, name: str) -> Configured:
    """The bundle's config.pbtxt, named after the model, with the overlay on it.

    Triton wants `name` to be the directory's; the bundle's own name stays the user's business.
    """
    try:
        parsed = config.parse(document.text(content))
    except document.NotText as error:
        raise invalid(f"{layout.CONFIG}: {error}") from None
    except config.ConfigError as error:
        raise invalid(f"{layout.CONFIG}: {error}; correct it and upload the bundle again") from None
    except Exception as error:  # the boundary to a parser of what anybody may write
        raise invalid(f"{layout.CONFIG}: cannot be read ({type(error).__name__}); write it anew") from error
    merged = _merged(parsed, overlay) if overlay else parsed
    merged.name = name
    optional = frozenset(tensor.name for tensor in merged.input if tensor.optional)
    return Configured(config=merged, declared=config.declared(merged), optional_inputs=optional)


def _merged(parsed: ModelConfig, overlay: Mapping[str, Any]) -> ModelConfig:
    from slipway.triton.overlay import merge  # see there

    try:
        return merge(parsed, overlay)
    except config.ConfigError as error:
        raise FetchError(Reason.SPEC_INVALID, f"spec.model.config.{error}") from None


def check_golden(files: Mapping[str, bytes], model: Configured) -> None:
    """Every golden request of the bundle can be asked of the model."""
    for path, content in sorted(files.items()):
        golden.check(path, content, model.declared, model.optional_inputs)


def check_references(paths: Collection[str], model: Configured) -> None:
    """Every file that the configuration names is one of the bundle's, by their plain names."""
    references.check(model.config, model.declared, paths)

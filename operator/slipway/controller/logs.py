"""Logs: one line an occurrence, as JSON or text, with the ModelDeployment that it is about on every line."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

from pythonjsonlogger.json import JsonFormatter

from slipway.guard.printable import LineFormatter

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_fields: ContextVar[Mapping[str, object]] = ContextVar("about", default=_NOTHING)

TEXT: Final = "%(asctime)s %(levelname)-7s %(name)s%(about)s: %(message)s"
JSON: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"
NOISY: Final = ("kopf", "aiohttp.access")
"""They log every event and request; their warnings still come through."""


@contextmanager
def context(**fields: object) -> Iterator[None]:
    """Every line logged within carries these fields: namespace, name, revision, attempt. None is left out."""
    token = _fields.set({**_fields.get(), **{k: v for k, v in fields.items() if v is not None}})
    try:
        yield
    finally:
        _fields.reset(token)


def configure(*, level: str, form: str) -> None:
    """Set up the root logger. `form` is json or text."""
    handler = logging.StreamHandler()
    handler.addFilter(_add_fields)
    if form == "json":
        renamed = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter(JSON, rename_fields=renamed, reserved_attrs=[*_PLAIN, "about", "settings"]))
    else:
        handler.setFormatter(LineFormatter(TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


_PLAIN: Final = [*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"]


def _add_fields(record: logging.LogRecord) -> bool:
    fields = _fields.get()
    for name, value in fields.items():
        setattr(record, name if name != "name" else "model_deployment", value)
    record.about = "".join(f" {name}={value}" for name, value in fields.items())
    return True

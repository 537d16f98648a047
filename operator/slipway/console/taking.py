"""A version that is taken into use: the manifest for the reader's namespace. The catalogue says which bytes; where the
store is and the keys to it are the reader's to say, so that no publisher sends a Secret anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from slipway.api.base import RULES
from slipway.api.v1alpha1.source import S3, Source
from slipway.console.api_server import Object
from slipway.console.market import Version

ANSWERED: Final = "answered"
"""Given with the fields, also where all of them are empty: somebody has said where the store is."""
_SECRET: Final = ("secretName", "Secret with the store's keys, in your namespace")
_S3: Final = (
    ("endpoint", "Endpoint of the store, such as https://minio.example:9000; empty: AWS"),
    ("region", "Region; empty: us-east-1"),
    ("forcePathStyle", "The bucket in the path, not in the host's name; empty: where an endpoint is named"),
    ("anonymous", "A public bucket, read without keys"),
    _SECRET,
)
_S3_NAMES: Final = {field.alias or name for name, field in S3.model_fields.items()}
_SWITCHES: Final = ("forcePathStyle", "anonymous")
_FIELDS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {"s3": _S3, "pvc": ()}


@dataclass(frozen=True)
class Field:
    """Something that the reader says of the store."""

    name: str
    label: str
    value: str
    wrong: str
    """What does not fit, as the API server would say it; empty: nothing."""
    choices: tuple[str, ...] = ()
    """All that it may be; none: any text."""


@dataclass(frozen=True)
class Taking:
    """The manifest by what the reader has said so far."""

    manifest: Object
    fields: list[Field]
    asks: bool
    """Nothing is made before somebody has said where the store is: of an s3 uri nobody can know."""

    @property
    def wrong(self) -> str:
        """What keeps it from being made, in a sentence; empty: nothing."""
        if problems := [f"{each.name} {each.wrong}" for each in self.fields if each.wrong]:
            return problems[0]
        return "say first where the store is" if self.asks else ""

    @property
    def said(self) -> dict[str, str]:
        """What the reader has said, for the next page."""
        given = {each.name: each.value for each in self.fields if each.value}
        return given if self.asks else {**given, ANSWERED: "yes"}


def taking(version: Version, namespace: str, given: Mapping[str, Any]) -> Taking:
    """What is taken of a version. `given`: the reader's words, by the names of the fields."""
    uri = version.spec.sources[0].uri
    scheme = uri.partition("://")[0]
    values = [(name, label, str(given.get(name, "")).strip()) for name, label in _FIELDS.get(scheme, (_SECRET,))]
    words = {name: value for name, _, value in values}
    fields = [Field(name, label, value, _wrong(name, words, uri), _choices(name)) for name, label, value in values]
    fitting = {each.name: each.value for each in fields if each.value and not each.wrong}
    return Taking(_manifest(version, uri, namespace, fitting), fields, scheme == "s3" and ANSWERED not in given)


def _manifest(version: Version, uri: str, namespace: str, fitting: Mapping[str, str]) -> Object:
    """A ModelDeployment of exactly these bytes; without a namespace, for whichever kubectl is in."""
    s3 = S3.model_validate({name: value for name, value in fitting.items() if name in _S3_NAMES}).to_dict()
    secret = {"secretName": fitting["secretName"]} if "secretName" in fitting else {}
    source = {"uri": uri, "digest": version.spec.digest, **secret, **({"s3": s3} if s3 else {})}
    return {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": version.spec.model, **({"namespace": namespace} if namespace else {})},
        "spec": {"model": {"version": version.spec.version, "source": source}, "replicas": 1},
    }


def _choices(name: str) -> tuple[str, ...]:
    """What a field may be that is no text."""
    return ("", "true", "false") if name in _SWITCHES else ()


def _wrong(name: str, given: Mapping[str, str], uri: str) -> str:
    """What the API says of a value that does not fit its field, or the others. What more it asks of an endpoint it says
    itself."""
    model: type[S3 | Source] = S3 if name in _S3_NAMES else Source
    value = given[name]
    if not value:
        return ""
    if name == "secretName" and given.get("anonymous") == "true":
        return "and anonymous exclude each other: keep one"
    try:
        model.model_validate({name: value} if model is S3 else {"uri": uri, name: value})
    except ValidationError as error:
        (fault, *_) = error.errors(include_url=False, include_input=False, include_context=False)
        hints = [rule["message"] for rule in model.model_json_schema()["properties"][name]["anyOf"][0].get(RULES, [])]
        return str(hints[0] if "pattern" in fault["type"] else fault["msg"])
    return ""

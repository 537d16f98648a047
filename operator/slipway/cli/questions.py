"""What `slipway ask` asks: golden requests by where they come from, a request in a file, or single inputs. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from slipway.core.body import mappings, within
from slipway.guard import document as documents
from slipway.guard import golden, wire
from slipway.guard.golden import GoldenError, GoldenRequest
from slipway.guard.tensors import FLOATS, Tensor
from slipway.guard.verdict import Verdict

Declared = tuple[str, str, Sequence[int]]
"""Name, datatype and shape of an input; -1 is any size, and the batch is in front."""
_ANSWERS: Final = ("outputs", "responses")


class QuestionError(Exception):
    """What cannot be asked: which field, and what belongs there."""


class InputError(QuestionError):
    """An input that the model does not take: its name, and what belongs there."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"--input {name}: {why}")
        self.name, self.why = name, why


def of_spec(record: Mapping[str, Any]) -> list[GoldenRequest]:
    """Those of the spec, as the ControllerRevision of a revision keeps them; none where the bundle has them."""
    for child in mappings(within(record, "data").get("children")):
        content = within(child, "data").get("golden.json") if child.get("kind") == "ConfigMap" else None
        if isinstance(content, str):
            try:
                return golden.read_of_spec(content.encode(errors="replace"))
            except Verdict as error:
                raise QuestionError(f"its golden requests: {error}") from None
    return []


def without_answers(record: Mapping[str, Any]) -> list[GoldenRequest]:
    """Those of the bundle as far as the ControllerRevision has them: small ones, and not what is right."""
    asks = mappings(within(record, "data", "resolved").get("asks"))
    return [_unanswered(ask, f"the bundle's golden request {index}") for index, ask in enumerate(asks, start=1)]


def of_bundle(files: Mapping[str, str]) -> list[GoldenRequest]:
    """Those in the files of the bundle's golden/."""
    try:
        return [golden.read(files[name].encode(), f"golden/{name}") for name in sorted(files)]
    except (GoldenError, UnicodeEncodeError) as error:
        raise QuestionError(f"the bundle's golden requests: {error}") from None


def of_file(content: bytes, name: str) -> list[GoldenRequest]:
    """A request of the V2 protocol, with the right answer or without, or a list of those of one sequence."""
    try:
        parsed = documents.read(content)
        steps = parsed if isinstance(parsed, list) else [parsed]
        if any(isinstance(step, dict) and any(each in step for each in _ANSWERS) for step in steps):
            return [golden.read(content, name)]
        read = [_unanswered(step, f"{name}[{at}]" if parsed is steps else name) for at, step in enumerate(steps)]
    except (ValueError, RecursionError) as error:
        raise QuestionError(f"{name}: {error}") from None
    if not read:
        raise QuestionError(f"{name}: expected a request, or a list of those of one sequence, found []")
    return [replace(read[0], then=tuple(read[1:]))]


def of_inputs(given: Sequence[str], declared: Sequence[Declared]) -> GoldenRequest:
    """A request of `name=value` pairs; datatypes and shapes are what the server declares of the model."""
    inputs = dict(_input(each, {one[0]: one for one in declared}) for each in given)
    if len(inputs) < len(given):
        raise QuestionError("--input: a name stands there twice")
    return GoldenRequest("your inputs", tuple(inputs.values()), (), exact=False)


def _unanswered(document: Any, name: str) -> GoldenRequest:
    if not isinstance(document, dict):
        raise QuestionError(f"{name}: expected an object with inputs")
    try:
        inputs, parameters = golden.parse_tensors(document, "inputs"), golden.parse_parameters(document)
    except GoldenError as error:
        raise QuestionError(f"{name}: {error}") from None
    return GoldenRequest(name, inputs, (), exact=False, parameters=parameters)


def _input(given: str, declared: Mapping[str, Declared]) -> tuple[str, Tensor]:
    name, equals, text = given.partition("=")
    if not equals:
        raise QuestionError(f"--input {given}: write NAME=VALUE, with a JSON value or a text")
    if name not in declared:
        raise InputError(name, f"the model has no such input; it takes {', '.join(declared)}")
    _, datatype, sizes = declared[name]
    value = _value(text, datatype)
    shape, elements = _shape(value), _flat([value])
    if len(shape) != len(sizes):
        filled = wire.generated_shape(sizes, len(elements))
        if filled is None:
            raise InputError(
                name, f"{len(elements)} elements do not fill its shape, which is {sizes}; -1 is any number"
            )
        shape = list(filled)
    tensor = {"name": name, "datatype": datatype, "shape": shape, "data": elements}
    try:
        return name, golden.parse_tensors({"inputs": [tensor]}, "inputs")[0]
    except GoldenError as error:
        why = str(error).removeprefix("inputs[0].")
        raise InputError(name, f"{why}; write JSON, as in {_example(datatype)}") from None


def _value(text: str, datatype: str) -> Any:
    """The JSON value; for a model that takes text, whatever is no list is the text itself."""
    if datatype == "BYTES" and not text.lstrip().startswith("["):
        return text
    try:
        return documents.read(text.encode(errors="replace"), not_a_number=str)
    except (ValueError, RecursionError):
        return text


def _example(datatype: str) -> str:
    if datatype in FLOATS:
        return "[0.5, 1]"
    return {"BOOL": "[true, false]", "BYTES": '["a text"]'}.get(datatype, "[1, 2]")


def _shape(value: Any) -> list[int]:
    """Sizes of nested lists, by the first of each."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def _flat(values: Iterable[Any]) -> list[Any]:
    flat = list[Any]()
    waiting = [iter(values)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, list):
                waiting.append(iter(value))
                break
            flat.append(value)
        else:
            waiting.pop()
    return flat

"""A torch module, through torch.onnx."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from slipway.bundle import graph
from slipway.bundle.assemble import MODEL, Options, Packed, pack_graph, quiet, scratch
from slipway.bundle.batches import Reference
from slipway.bundle.errors import BundleError, asking, need
from slipway.bundle.tensors import Array, Arrays, by_name, check_rows, take, to_array

_EXPORTED_ROWS: Final = 2
"""A batch of one would let the exporter take the batch for a constant."""
Dynamic = Mapping[str, Mapping[int, str]]


def pack(
    module: Any, inputs: object, options: Options, *, dynamic: Dynamic | None = None, outputs: Sequence[str] = ()
) -> Packed:
    """See `slipway.bundle.pack.torch`."""
    torch = need("torch", install="torch", why="the module is its")
    say = options.get("say", quiet)
    rows = _rows(module, inputs)
    batched = options.get("batch", True)
    was_training = bool(module.training)
    module.eval()
    try:
        with scratch() as folder, torch.no_grad():
            answers = _asked(torch, module, rows)
            names = _output_names(answers, outputs)
            file = Path(folder) / MODEL
            say(f"exporting {type(module).__name__} with torch {torch.__version__}")
            asked = take(rows, max(_EXPORTED_ROWS, len(next(iter(rows.values()))))) if batched else rows
            _export(torch, module, asked, file, _dynamic(rows, names, dynamic or {}, batched=batched))
            signature = graph.signature(graph.load(file), file.name)
            reference = Reference(
                name=f"torch {torch.__version__}",
                answer=lambda feed: by_name(
                    dict(zip(names, _asked(torch, module, feed).values(), strict=True)),
                    signature.outputs,
                    "torch's answers",
                ),
            )
            facts = [f"{type(module).__name__} of torch {torch.__version__}, by torch.onnx."]
            return pack_graph(file, by_name(rows, signature.inputs), reference, options, library="pytorch", facts=facts)
    finally:
        module.train(was_training)


def _rows(module: Any, inputs: object) -> dict[str, Array]:
    """The examples by the names of forward's parameters, in its order."""
    parameters = _parameters(module)
    if isinstance(inputs, Mapping):
        named = _in_order(inputs, parameters)
    else:
        values = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
        if len(values) > len(parameters):
            raise BundleError(f"inputs: {len(values)} given, and forward takes {', '.join(parameters)}; give those")
        named = dict(zip(parameters, values, strict=False))
    rows = {name: to_array(value, name) for name, value in named.items()}
    check_rows(rows)
    for name, array in rows.items():
        if array.dtype.kind == "O":
            raise BundleError(
                f"inputs: {name!r} is text, and torch has no tensors of it; see slipway.bundle.pack.python"
            )
    return rows


def _parameters(module: Any) -> list[str]:
    """What forward takes, beside the module itself; TorchScript has it in its schema."""
    if schema := getattr(module.forward, "schema", None):
        return [argument.name for argument in schema.arguments[1:]]
    return list(inspect.signature(module.forward).parameters)


def _in_order(inputs: Mapping[str, object], parameters: Sequence[str]) -> dict[str, object]:
    """Examples in forward's order; names of which none is a parameter's are the client's own."""
    if not set(inputs) & set(parameters):
        return dict(inputs)
    takes = f"forward takes {', '.join(parameters)}"
    if strange := [name for name in inputs if name not in parameters]:
        raise BundleError(f"inputs: {strange[0]!r} is none of its parameters, and {takes}; name them so")
    first = parameters[: len(inputs)]
    if missing := [name for name in first if name not in inputs]:
        raise BundleError(f"inputs: lacks {missing[0]!r}, which stands before others, and {takes}; give it too")
    return {name: inputs[name] for name in first}


def _asked(torch: Any, module: Any, rows: Arrays) -> dict[str, Array]:
    """The module's answers, by key or by place."""
    with torch.no_grad(), asking(type(module).__name__, _remedy(torch, module, rows)):
        answer = module(*_tensors(torch, module, rows))
    if isinstance(answer, Mapping):
        return {str(key): to_array(value, str(key)) for key, value in answer.items()}
    values = answer if isinstance(answer, tuple | list) else [answer]
    return {f"output_{index}": to_array(value, f"output_{index}") for index, value in enumerate(values)}


def _remedy(torch: Any, module: Any, rows: Arrays) -> str:
    """numpy makes floats double where nothing else is said, and most weights are single."""
    single = all(weights.dtype == torch.float32 for weights in module.parameters())
    double = [name for name, array in rows.items() if array.dtype.name == "float64"]
    if single and double:
        return f"{', '.join(double)}: FP64, and the weights are FP32: give them with .astype('float32')"
    return "give rows as it was trained with"


def _tensors(torch: Any, module: Any, rows: Arrays) -> tuple[Any, ...]:
    """The rows where the module's weights are."""
    weights = next(iter(module.parameters()), None)
    device = "cpu" if weights is None else weights.device
    return tuple(torch.from_numpy(array.copy()).to(device) for array in rows.values())


def _output_names(answers: Mapping[str, Array], outputs: Sequence[str]) -> list[str]:
    if not outputs:
        return ["output"] if list(answers) == ["output_0"] else list(answers)
    if len(outputs) != len(answers):
        raise BundleError(f"outputs: {len(outputs)} names, and the module gives {len(answers)} tensors; name each")
    return list(outputs)


def _dynamic(rows: Arrays, names: Sequence[str], dynamic: Dynamic, *, batched: bool) -> dict[str, dict[int, str]]:
    """The free dimensions of each tensor: the batch, and those that were named."""
    if strange := sorted(dynamic.keys() - rows.keys() - set(names)):
        raise BundleError(f"dynamic: {strange[0]!r} is no input or output; they are {', '.join([*rows, *names])}")
    batch = {0: "batch"} if batched else {}
    return {name: {**batch, **dynamic.get(name, {})} for name in [*rows, *names]}


def _export(torch: Any, module: Any, rows: Arrays, file: Path, dynamic: Mapping[str, Mapping[int, str]]) -> None:
    arguments = _tensors(torch, module, rows)
    parameters = inspect.signature(torch.onnx.export).parameters
    how: dict[str, Any] = {"input_names": list(rows), "output_names": [n for n in dynamic if n not in rows]}
    if "external_data" in parameters:
        how["external_data"] = False  # one file
    scripted = isinstance(module, torch.jit.ScriptModule)
    if "dynamo" in parameters and scripted:
        how["dynamo"] = False  # which knows no TorchScript
    if "dynamic_shapes" in parameters and not scripted:
        need("onnxscript", install="onnxscript", why="torch exports by it")
        dims = {name: torch.export.Dim(name) for name in {n for places in dynamic.values() for n in places.values()}}
        shapes = tuple({place: dims[name] for place, name in dynamic[tensor].items()} for tensor in rows)
        how |= {"dynamo": True, "dynamic_shapes": shapes, "verbose": False}
    else:
        how["dynamic_axes"] = {tensor: dict(places) for tensor, places in dynamic.items()}
    try:
        torch.onnx.export(module, arguments, str(file), **how)
    except Exception as error:  # noqa: BLE001  exporters raise whatever the module's code raises
        words, count = " ".join(str(error).split())[:600], len(arguments[0])
        raise BundleError(
            f"{type(module).__name__}: torch cannot export it: {words}; the examples had {count} rows: take sizes "
            "from the tensor (x.shape[0]) where the code has a number"
        ) from None

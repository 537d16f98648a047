"""The `onnxruntime` backend for a Triton that has only Python: serves an ONNX model from an unchanged config.pbtxt.

Triton hands over the requests of one batch; they run as one when their shapes agree, and each gets its own rows back.
"""

import json
import os
from pathlib import Path

import numpy
import onnxruntime
import triton_python_backend_utils as pb_utils

_ONNX_TYPE = {
    "TYPE_BOOL": "bool",
    "TYPE_UINT8": "uint8",
    "TYPE_UINT16": "uint16",
    "TYPE_UINT32": "uint32",
    "TYPE_UINT64": "uint64",
    "TYPE_INT8": "int8",
    "TYPE_INT16": "int16",
    "TYPE_INT32": "int32",
    "TYPE_INT64": "int64",
    "TYPE_FP16": "float16",
    "TYPE_BF16": "bfloat16",
    "TYPE_FP32": "float",
    "TYPE_FP64": "double",
    "TYPE_STRING": "string",
}


class TritonPythonModel:
    """One instance of one ONNX model."""

    def initialize(self, args):
        """Open the session; an error here is the reason that Triton gives for a model that cannot load."""
        config = json.loads(args["model_config"])
        file = config.get("default_model_filename") or "model.onnx"
        path = Path(args["model_repository"], args["model_version"], file)
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        self._batches = config["max_batch_size"] > 0
        self._session = onnxruntime.InferenceSession(
            str(path), sess_options=_options(config), providers=["CPUExecutionProvider"]
        )
        _check(config, file, self._session)
        self._bfloat16 = _bfloat16(config)

    def execute(self, requests):
        """Answer every request, in their order."""
        if self._bfloat16:
            return [self._alone(self._run_values, request) for request in requests]
        if not self._batches or len(requests) == 1:
            return [self._alone(self._run_one, request) for request in requests]
        answers = {}
        for group in self._alike(requests):
            answers.update(self._together(group))
        return [answers[index] for index in range(len(requests))]

    def finalize(self):
        """Let the session go before the interpreter does."""
        self._session = None

    def _alone(self, run, request):
        try:
            return pb_utils.InferenceResponse(run(request))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is this request's answer
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"onnxruntime: {error}"))

    def _alike(self, requests):
        """Requests whose tensors can be one batch: the same inputs, shapes beyond the batch, and outputs asked for."""
        groups = {}
        for index, request in enumerate(requests):
            feed = self._feed(request)
            key = (tuple((name, array.shape[1:]) for name, array in feed.items()), tuple(self._wanted(request)))
            groups.setdefault(key, []).append((index, request, feed))
        return groups.values()

    def _together(self, group):
        if len(group) > 1:
            rows = [len(next(iter(feed.values()))) for _, _, feed in group]
            feed = {name: numpy.concatenate([one[name] for _, _, one in group]) for name in group[0][2]}
            names = self._wanted(group[0][1])
            try:
                arrays = self._session.run(names, feed)
            except Exception:  # noqa: BLE001 - one request's data may fail all; asked alone, each gets its own answer
                arrays = []
            if arrays and all(array.ndim and len(array) == sum(rows) for array in arrays):
                return _split(group, names, arrays, rows)
        return {index: self._alone(self._run_one, request) for index, request, _ in group}

    def _run_one(self, request):
        names = self._wanted(request)
        return _tensors(names, self._session.run(names, self._feed(request)))

    def _run_values(self, request):
        """numpy has no bfloat16: such tensors go from hand to hand as DLPack, one request at a time."""
        feed = {}
        for name in self._inputs:
            tensor = pb_utils.get_input_tensor_by_name(request, name)
            if tensor is not None:
                feed[name] = _value(tensor, name in self._bfloat16)
        names = self._wanted(request)
        values = self._session.run_with_ort_values(names, feed)
        return [
            pb_utils.Tensor.from_dlpack(name, value) if name in self._bfloat16 else pb_utils.Tensor(name, value.numpy())
            for name, value in zip(names, values, strict=True)
        ]

    def _wanted(self, request):
        asked = set(request.requested_output_names())
        return [name for name in self._outputs if name in asked]

    def _feed(self, request):
        feed = {}
        for name in self._inputs:
            tensor = pb_utils.get_input_tensor_by_name(request, name)
            if tensor is not None:
                array = tensor.as_numpy()
                feed[name] = _decoded(name, array) if array.dtype == numpy.object_ else array
        return feed


def _bfloat16(config):
    """The names of bfloat16 tensors. Values that hold them cannot hold strings."""
    tensors = config["input"] + config["output"]
    names = {tensor["name"] for tensor in tensors if tensor["data_type"] == "TYPE_BF16"}
    if names and any(tensor["data_type"] == "TYPE_STRING" for tensor in tensors):
        raise pb_utils.TritonModelException("this backend has no model with TYPE_BF16 and TYPE_STRING")
    return names


def _value(tensor, bfloat16):
    if bfloat16:
        return onnxruntime.OrtValue.from_dlpack(tensor)
    return onnxruntime.OrtValue.ortvalue_from_numpy(tensor.as_numpy())


def _options(config):
    """The threads that this process may use, shared by the instances; spinning would steal them from the neighbours."""
    parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    instances = sum(max(group["count"], 1) for group in config.get("instance_group", [])) or 1
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", max(1, _cpus() // instances)))
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", 1))
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _cpus():
    """CPUs that the container's limit allows, at most those that the process may run on."""
    available = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except OSError:
        try:
            quota = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except OSError:
            return available
    if quota in ("max", "-1"):
        return available
    return max(1, min(available, int(quota) // int(period)))


def _check(config, file, session):
    """What config.pbtxt declares is what the graph has, as strictly as NVIDIA's backend looks at it when it loads."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    _refuse_what_is_not_here(config)
    known = [*inputs, *session.get_overridable_initializers()]
    for tensor in config["input"]:
        if tensor.get("optional") and config["max_batch_size"] > 0:
            raise _cannot_load(f"config.pbtxt has input '{tensor['name']}' optional, which no batched ONNX model has")
        _compare(config, file, "input", tensor, known, exactly=False)
    for tensor in config["output"]:
        _compare(config, file, "output", tensor, outputs, exactly=True)
    declared = {tensor["name"] for tensor in config["input"]}
    if missing := sorted(tensor.name for tensor in inputs if tensor.name not in declared):
        raise _cannot_load(f"{file} has input '{missing[0]}', which config.pbtxt does not declare; declare it")


def _refuse_what_is_not_here(config):
    ragged = [tensor["name"] for tensor in config["input"] if tensor.get("allow_ragged_batch")]
    states = config.get("sequence_batching", {})
    for field, found in [
        ("batch_input", config.get("batch_input")),
        ("batch_output", config.get("batch_output")),
        ("allow_ragged_batch", ragged),
        ("sequence_batching.control_input", states.get("control_input")),
        ("sequence_batching.state", states.get("state")),
    ]:
        if found:
            raise _cannot_load(f"config.pbtxt has {field}, which this image's backend has not; use NVIDIA's image")


def _compare(config, file, kind, tensor, known, *, exactly):
    """One tensor's name, type and shape; `exactly`: what is free in one is free in the other."""
    name, wanted = tensor["name"], f"tensor({_ONNX_TYPE.get(tensor['data_type'], tensor['data_type'])})"
    actual = {found.name: found for found in known}.get(name)
    if actual is None:
        has = ", ".join(sorted(found.name for found in known))
        raise _cannot_load(f"config.pbtxt declares {kind} '{name}', {file} has no such {kind}; it has {has}")
    if actual.type != wanted:
        raise _cannot_load(
            f"config.pbtxt declares {kind} '{name}' as {tensor['data_type']}, {file} has it as {actual.type}"
        )
    shape = [size if isinstance(size, int) and size >= 0 else -1 for size in actual.shape]
    what, dims, max_batch_size = f"{kind} '{name}'", _dims(tensor), config["max_batch_size"]
    if not shape:  # a scalar, or a shape that the graph does not tell
        if any(size != 1 for size in dims):
            raise _cannot_load(f"config.pbtxt declares {what} with dims {dims}, {file} has it without any; write [ 1 ]")
        return
    if max_batch_size > 0 and shape[0] != -1:
        raise _cannot_load(
            f"config.pbtxt has max_batch_size: {max_batch_size}, and {file} has {what} with a first dimension of "
            f"{shape[0]}; export it with a free batch, or set max_batch_size: 0 and write that dimension into dims"
        )
    whole = [-1, *dims] if max_batch_size > 0 else dims
    if len(whole) != len(shape) or not all(map(_same if exactly else _fits, shape, whole)):
        batch = ", the batch in front," if max_batch_size > 0 else ""
        raise _cannot_load(
            f"config.pbtxt declares {what} as {whole}{batch} and {file} has {shape}; -1 is free, write what it has"
        )


def _same(size, wanted):
    return size == wanted


def _fits(size, wanted):
    return size in (-1, wanted)


def _dims(tensor):
    """The dimensions that the graph sees."""
    found = tensor["reshape"].get("shape", []) if tensor.get("reshape") is not None else tensor["dims"]
    return [int(size) for size in found]


def _cannot_load(why):
    return pb_utils.TritonModelException(why)


def _split(group, names, arrays, rows):
    ends = numpy.cumsum(rows)
    pieces = [numpy.split(array, ends[:-1]) for array in arrays]
    return {
        index: pb_utils.InferenceResponse(_tensors(names, [piece[place] for piece in pieces]))
        for place, (index, _, _) in enumerate(group)
    }


def _tensors(names, arrays):
    return [
        pb_utils.Tensor(name, _encoded(array) if array.dtype == numpy.object_ else array)
        for name, array in zip(names, arrays, strict=True)
    ]


def _decoded(name, array):
    return numpy.array(
        [_text(name, index, text) for index, text in enumerate(array.ravel())], dtype=numpy.object_
    ).reshape(array.shape)


def _text(name, index, text):
    """ONNX Runtime's Python has strings for text, and NVIDIA's backend for any bytes."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"input '{name}' (element {index}) is not UTF-8 at byte {error.start}, and this image's backend takes text "
            "only; use NVIDIA's image for other bytes"
        ) from None


def _encoded(array):
    return numpy.array([text.encode("utf-8") for text in array.ravel()], dtype=numpy.object_).reshape(array.shape)

"""config.pbtxt: what is refused and with which words, what an overlay changes, what a model declares."""

import pytest
import tritonclient.grpc.model_config_pb2 as theirs
from google.protobuf import text_format

from slipway.triton import config as triton_config
from slipway.triton.config import ConfigError
from slipway.triton.overlay import merge

GOOD = """
name: "m"
backend: "onnxruntime"
max_batch_size: 8
input [{ name: "x" data_type: TYPE_FP32 dims: [ 1 ] }]
output [{ name: "y" data_type: TYPE_STRING dims: [ -1, 2 ] }]
"""


def test_a_model_declares_its_tensors_in_the_names_of_the_v2_protocol() -> None:
    assert triton_config.declared(triton_config.parse(GOOD)) == {
        "backend": "onnxruntime",
        "maxBatchSize": 8,
        "instances": 2,
        "inputs": [("x", "FP32", [1])],
        "outputs": [("y", "BYTES", [-1, 2])],
    }


def test_instances_are_summed_over_groups_and_an_old_platform_names_its_backend() -> None:
    text = GOOD.replace('backend: "onnxruntime"', 'platform: "onnxruntime_onnx"')
    declared = triton_config.declared(
        triton_config.parse(text + "instance_group [{count: 3}, {kind: KIND_GPU}, {kind: KIND_GPU gpus: [0, 1]}]")
    )
    assert (declared["backend"], declared["instances"]) == ("onnxruntime", 6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("foo: 1", ["line 1, column 1", 'no field named "foo"']),
        ('name: "m"\nmax_batch_size: many', ["line 2", "many"]),
        (GOOD.replace("TYPE_FP32", "FP32"), ["line 5", "DataType", "FP32"]),
        (GOOD.replace("TYPE_FP32", "1" + "0" * 400), ["out of range", "TYPE_FP32"]),
        (GOOD + f"instance_group {{ kind: -{2**31 + 1} }}", ["out of range", "KIND_CPU"]),
        (GOOD.replace("data_type: TYPE_FP32", ""), ["input[0]", "'x' has no data_type"]),
        (GOOD.replace('name: "x"', ""), ["input[0]", "no name"]),
        (GOOD.replace("dims: [ 1 ]", ""), ["input[0]", "'x' has no dims", "reshape { shape: [ ] }"]),
        (GOOD + 'input { name: "x" data_type: TYPE_FP32 dims: 1 }', ["input[1]", "'x' is declared twice"]),
        ('backend: "python"', ["input: none declared"]),
        (GOOD.replace('backend: "onnxruntime"', ""), ["backend: not set"]),
    ],
)
def test_a_configuration_that_cannot_be_served_is_refused_with_its_line_or_field(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        triton_config.parse(text)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_an_overlay_changes_what_it_names_and_keeps_the_rest() -> None:
    bundle = triton_config.parse(GOOD + "instance_group [{kind: KIND_GPU gpus: [0, 1] count: 1}]")
    merged = merge(
        bundle,
        {
            "maxBatchSize": 32,
            "dynamicBatching": {"preferredBatchSizes": [8, 16], "maxQueueDelay": "2ms", "maxQueueSize": 64},
            "instances": {"count": 3},
        },
    )
    written = text_format.Parse(triton_config.to_text(merged), theirs.ModelConfig())
    assert written.max_batch_size == 32
    assert list(written.dynamic_batching.preferred_batch_size) == [8, 16]
    assert written.dynamic_batching.max_queue_delay_microseconds == 2000
    assert written.dynamic_batching.default_queue_policy.max_queue_size == 64
    assert [(g.count, list(g.gpus)) for g in written.instance_group] == [(3, [0, 1])]
    assert bundle.max_batch_size == 8
    assert list(written.input) == list(text_format.Parse(GOOD, theirs.ModelConfig()).input)


def test_an_overlay_places_copies_and_sets_what_optimizes_and_warms_the_model() -> None:
    bundle = triton_config.parse(
        GOOD
        + """
        optimization { graph { level: 1 } execution_accelerators { cpu_execution_accelerator { name: "openvino" } } }
        model_warmup { name: "own" batch_size: 1 inputs { key: "x" value { data_type: TYPE_FP32 dims: 1 } } }
        """
    )
    tensorrt = {"name": "TensorRT", "parameters": {"precision_mode": "FP16"}}
    merged = merge(
        bundle,
        {
            "instances": {"count": 2, "gpus": [1, 3]},
            "optimization": {"graphLevel": -1, "accelerators": [tensorrt]},
            "warmup": {"batchSizes": [1, 8], "values": "Random"},
        },
    )
    written = text_format.Parse(triton_config.to_text(merged), theirs.ModelConfig())
    (group,) = written.instance_group
    assert (group.count, list(group.gpus), group.kind) == (2, [1, 3], theirs.ModelInstanceGroup.KIND_GPU)
    assert written.optimization.graph.level == -1
    accelerators = written.optimization.execution_accelerators
    assert not accelerators.cpu_execution_accelerator
    (gpu,) = accelerators.gpu_execution_accelerator
    assert (gpu.name, dict(gpu.parameters)) == ("tensorrt", {"precision_mode": "FP16"})
    assert [(each.name, each.batch_size) for each in written.model_warmup] == [("batch_1", 1), ("batch_8", 8)]
    assert all(list(each.inputs["x"].dims) == [1] and each.inputs["x"].random_data for each in written.model_warmup)


def test_text_is_warmed_by_empty_text() -> None:
    text = triton_config.parse(GOOD.replace("TYPE_FP32", "TYPE_STRING"))
    (warm,) = merge(text, {"warmup": {"batchSizes": [2], "values": "Random"}}).model_warmup
    assert warm.inputs["x"].zero_data


def test_an_empty_batching_overlay_switches_batching_on() -> None:
    merged = merge(triton_config.parse(GOOD), {"dynamicBatching": {}})
    assert merged.HasField("dynamic_batching")


@pytest.mark.parametrize(
    ("more", "overlay", "words"),
    [
        ("", {"maxBatchSize": 0}, "maxBatchSize: 0"),
        ("max_batch_size: 0", {"maxBatchSize": 4}, "would add or remove the batch dimension"),
        ("max_batch_size: 0", {"dynamicBatching": {}}, "takes no batches"),
        ("", {"dynamicBatching": {"preferredBatchSizes": [9]}}, "9 is above max_batch_size 8"),
        (
            "dynamic_batching {preferred_batch_size: 8}",
            {"maxBatchSize": 4},
            "below the bundle's preferred_batch_size 8",
        ),
        ("sequence_batching {}", {"dynamicBatching": {}}, "uses sequence_batching"),
        ("instance_group [{}, {}]", {"instances": {"count": 2}}, "has 2 instance groups"),
        ("", {"instances": {"count": 0}}, "instances.count"),
        ("", {"batching": {}}, "batching"),
        ("", {"warmup": {"batchSizes": [9]}}, "warmup.batchSizes: 9 is above the largest batch, 8"),
        ("max_batch_size: 0", {"warmup": {"batchSizes": [2]}}, "2 is above the largest batch, 1"),
        (
            'input { name: "z" data_type: TYPE_FP32 dims: -1 }',
            {"warmup": {"batchSizes": [1]}},
            "warmup: input 'z' has a free dimension",
        ),
    ],
)
def test_an_overlay_that_does_not_fit_the_bundle_is_refused(more: str, overlay: dict[str, object], words: str) -> None:
    bundle = triton_config.parse(
        GOOD.replace("max_batch_size: 8", "") + more if "max_batch_size" in more else GOOD + more
    )
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        merge(bundle, overlay)


def test_a_model_that_keeps_state_by_sequence_says_so() -> None:
    declared = triton_config.declared(triton_config.parse(GOOD + "sequence_batching { }"))
    assert declared.get("sequences") is True

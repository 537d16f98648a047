"""`spec.model`: the model, what overlays its configuration, and how its answers are checked."""

from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Decimals, Duration, Interval, text
from slipway.api.v1alpha1.fields import Passthrough, ShortText, keyed_by
from slipway.api.v1alpha1.follow import PLACEHOLDER, Follow
from slipway.api.v1alpha1.source import FOLLOWED, Source, Storage

# No \s: the API server's regular expressions know ASCII spaces only, pydantic's know Unicode's.
VERSION_PATTERN: Final = r"^[^\x00-\x20]([^\x00-\x1f]*[^\x00-\x20])?$"


class DataType(StrEnum):
    """Tensor element types of the V2 inference protocol."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    BF16 = "BF16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"


class DynamicBatching(ApiModel):
    """Triton's dynamic batcher."""

    preferred_batch_sizes: Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(max_length=32)] | None = Field(
        None, description="Sizes that the batcher tries to reach."
    )
    max_queue_delay: Duration | None = Field(None, description="How long a request may wait for others to join it.")
    max_queue_size: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Requests that may wait; more are answered 503."
    )


class Instances(ApiModel):
    """Triton's instance group."""

    count: Annotated[int, Field(ge=1, le=128)] = Field(
        1, description="How many copies of the model one server runs; with gpus, on each of them."
    )
    gpus: (
        Annotated[
            list[Annotated[int, Field(ge=0, le=15)]],
            Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = Field(None, description="Which of the pod's GPUs have copies, counted from 0. Absent = as the bundle has it.")


class ExecutionAccelerator(StrEnum):
    """What a backend hands the model's operators to."""

    TENSORRT = "TensorRT"
    OPENVINO = "OpenVINO"


class Accelerated(ApiModel):
    """A library that runs what it can of the model."""

    name: ExecutionAccelerator = Field(description="TensorRT on GPUs, OpenVINO on CPUs.")
    parameters: Annotated[dict[str, Annotated[str, Field(max_length=256)]], Field(max_length=16)] | None = Field(
        None, description="As Triton's backend names them, such as precision_mode: FP16."
    )


class Optimization(ApiModel):
    """How the backend optimizes the model when it loads it. Golden requests hold for the optimized model."""

    graph_level: Annotated[int, Field(ge=-1, le=1)] | None = Field(
        None, description="Of ONNX Runtime: -1 basic, 1 extended as well. Absent = the bundle's, or else all."
    )
    accelerators: Annotated[list[Accelerated], Field(max_length=2, json_schema_extra=keyed_by("name"))] | None = Field(
        None, description="In place of the bundle's; [] for none."
    )


class WarmupValues(StrEnum):
    """What a warm-up request holds."""

    ZERO = "Zero"
    RANDOM = "Random"


class Warmup(ApiModel):
    """Requests that Triton runs before the model counts as loaded, one of each batch size. In place of the bundle's."""

    batch_sizes: Annotated[
        list[Annotated[int, Field(ge=1, le=65536)]],
        Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = Field(description="Number of rows; 1 where the model takes no batches.")
    values: WarmupValues = Field(WarmupValues.ZERO, description="Zero (empty text), or Random numbers.")


class ModelConfig(ApiModel):
    """Typed overlay on the bundle's config.pbtxt. What is absent here stays as the bundle has it."""

    max_batch_size: Annotated[int, Field(ge=0, le=65536)] | None = Field(
        None, description="The largest batch; 0 for a model without a batch dimension."
    )
    dynamic_batching: DynamicBatching | None = None
    instances: Instances | None = None
    optimization: Optimization | None = None
    warmup: Warmup | None = None


class Tensor(ApiModel):
    """One tensor of the V2 inference protocol."""

    name: ShortText = Field(description="As the model's configuration calls it.")
    datatype: DataType = Field(description="Type of its elements.")
    shape: Annotated[list[Annotated[int, Field(ge=0, le=2**31 - 1)]], Field(max_length=16)] = Field(
        description="Size of each dimension, the batch included."
    )
    data: Annotated[list[Any], Field(max_length=1024)] = Field(
        description="Elements in row-major order: numbers, booleans, strings or {b64: BASE64}. Larger: in the bundle."
    )


class Tolerance(ApiModel):
    """How far an element may be from the right answer: |got - expected| <= absolute + relative * |expected|."""

    absolute: Decimals = Field("0.0001", description="The part that does not grow with the answer.")
    relative: Decimals = Field("0.001", description="The part that does, as a fraction of it.")


Tensors = Annotated[list[Tensor], Field(min_length=1, max_length=32, json_schema_extra=keyed_by("name"))]


class GoldenRequest(ApiModel):
    """A request with its right answer."""

    model_config = checked(rule("has(self.outputs) != has(self.responses)", "give either outputs or responses"))

    inputs: Tensors = Field(description="What is sent.")
    outputs: Tensors | None = Field(None, description="What has to come back.")
    tolerance: Tolerance | None = None
    parameters: Passthrough | None = Field(None, description="Of the request, as {max_tokens: 8}.")
    sequence: ShortText | None = Field(None, description="Requests of one name are asked in order, as one sequence.")
    responses: Annotated[list[Passthrough], Field(min_length=1, max_length=32)] | None = Field(
        None, description="All that a decoupled model responds, in order: objects with `outputs`, in their place."
    )


class Verification(ApiModel):
    """Golden requests: asked before a pod may be ready, and again while it serves."""

    requests: Annotated[list[GoldenRequest], Field(min_length=1, max_length=16)] | None = Field(
        None, description="Used instead of those that the bundle carries in golden/."
    )
    interval: Interval = Field("60s", description="How often they are asked while serving; 0s = only at start.")


class Model(ApiModel):
    """The model: its name, its version, and where its bundle is."""

    model_config = checked(
        rule(
            "has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name)",
            "model.name is immutable: clients call the model by it; make a new ModelDeployment",
            ".name",
        ),
        rule(
            "!has(self.storage) || !self.source.uri.startsWith('pvc://')",
            "a pvc:// source is served in place: take storage out",
            ".storage",
        ),
        rule(
            "has(self.version) != has(self.follow)",
            "give either version, or follow for the one that an alias of a registered model means",
            ".version",
        ),
        rule(
            "!has(self.follow) || !has(self.source.digest)",
            "the digest is that of the followed version: take source.digest out",
            ".source.digest",
        ),
        rule(
            "!has(self.follow) || self.source.uri.contains('$(version)')",
            "follow needs $(version) in the uri, where the version stands: write it like s3://models/churn/$(version)",
            ".source.uri",
        ),
        rule(
            "has(self.follow) || !self.source.uri.contains('$(version)')",
            "$(version) in the uri is only read with follow: write the version out",
            ".source.uri",
        ),
        rule(
            rf"!has(self.follow) || !self.source.uri.matches('^[a-z0-9]+://[^/]*{FOLLOWED}')",
            "$(version) must not be in the host, bucket or claim, for whoever publishes would choose where credentials "
            "are sent: put it into the path",
            ".source.uri",
        ),
    )

    name: (
        Annotated[
            str,
            text(
                r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$",
                "is not a model name: letters, digits, _, - and ., with a letter, digit or _ at both ends",
                max_length=128,
            ),
        ]
        | None
    ) = Field(None, description="Triton's model name. When absent, metadata.name. Immutable.")
    version: (
        Annotated[
            str,
            text(VERSION_PATTERN, "is not a version: one line of text, without a space at either end", max_length=64),
        ]
        | None
    ) = Field(None, description="Your own name for this version; shown everywhere. Absent with follow.")
    follow: Follow | None = Field(
        None, description="In place of version and source.digest. $(version) in source.uri is the version's name."
    )
    source: Source
    storage: Storage | None = None
    config: ModelConfig | None = None
    verification: Verification | None = None

    @property
    def version_name(self) -> str:
        """The version's name; empty where an alias that is followed has not said it yet."""
        return self.version or ""

    def pinned(self, version: str, digest: str) -> Self:
        """The same with a followed version in the alias's place."""
        source = self.source.evolve(uri=self.source.uri.replace(PLACEHOLDER, version), digest=digest)
        return self.evolve(version=version, source=source, follow=None)

"""`spec.model`: the model, where its bundle is, what overlays its configuration, and how its answers are checked."""

from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Decimals, Duration, Interval, Size, text, value_rule
from slipway.api.v1alpha1.fields import Name, Passthrough, ShortText, keyed_by
from slipway.api.v1alpha1.follow import PLACEHOLDER, Follow

# No \s: the API server's regular expressions know ASCII spaces only, pydantic's know Unicode's.
VERSION_PATTERN: Final = r"^[^\x00-\x20]([^\x00-\x1f]*[^\x00-\x20])?$"
DIGEST_PATTERN: Final = r"^sha256:[0-9a-f]{64}$"
URI_LENGTH: Final = 1024
TAG_LENGTH: Final = 128
"""As the OCI distribution specification has it."""

_PORT: Final = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_FOLLOWED: Final = "[$][(]version[)]"
"""Where `follow` puts the version."""
_TAG: Final = f"([A-Za-z0-9_]|{_FOLLOWED})([A-Za-z0-9._-]|{_FOLLOWED}){{0,{TAG_LENGTH - 1}}}"
_HUB_REVISION: Final = f"([A-Za-z0-9_]|{_FOLLOWED})([A-Za-z0-9._/-]|{_FOLLOWED})*"
_HOST_AND_PORT: Final = rf"([^/:?#\[\]]+|\[[0-9A-Fa-f:.]+\])(:{_PORT})?"


class VolumeType(StrEnum):
    """Where a pod keeps its copy of the bundle."""

    EMPTY_DIR = "EmptyDir"
    EPHEMERAL = "Ephemeral"


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


class S3(ApiModel):
    """How to reach an S3-compatible store. Keys come from the Secret named by `secretName`."""

    endpoint: (
        Annotated[
            str,
            text(
                r"^https?://[^/@]+(/.*)?$",
                "is not the address of a store: write it like https://minio.example:9000",
                max_length=512,
                rules=(
                    value_rule(
                        rf"!self.matches(r'^https?://[^/@]+(/.*)?$') || self.matches(r'^https?://{_HOST_AND_PORT}(/.*)?$')",
                        "names no host and port of a store: write it like https://minio.example:9000",
                    ),
                ),
            ),
        ]
        | None
    ) = Field(None, description="URL of the store, for one that is not AWS. http:// is not encrypted.")
    region: ShortText | None = Field(None, description="Region of the bucket; us-east-1 when nothing says otherwise.")
    force_path_style: bool | None = Field(
        None,
        description="Address the bucket in the path, not in the host name. When absent: true if `endpoint` is set.",
    )
    anonymous: bool | None = Field(None, description="Send unsigned requests: the bucket is public.")


class SignatureMode(StrEnum):
    """What follows from a signature that is missing or wrong."""

    REQUIRE = "Require"
    WARN = "Warn"


class Signature(ApiModel):
    """Whose signature the bundle has to carry: `model.sig` in OpenSSF's format, as `slipway sign` makes it."""

    config_map_name: Name = Field(
        description="ConfigMap with public keys in PEM form, one under each name. A change of it restarts nothing."
    )
    threshold: Annotated[int, Field(ge=1, le=16)] = Field(1, description="How many of the keys have to have signed.")
    mode: SignatureMode = Field(
        SignatureMode.REQUIRE,
        description="Require: a version that is not signed so is not fetched. Warn: it is, and status says so.",
    )


class Decryption(ApiModel):
    """With which keys the bundle is decrypted, as `slipway encrypt` made it."""

    secret_name: Name = Field(
        description="Secret with identities of age, a line each, in any of its keys. Mounted into the fetcher only."
    )


Uri = Annotated[
    str,
    text(
        r"^(s3|gs|az|https|http|oci|hf|pvc)://[^/\x00-\x20]+(/[^\x00-\x1f]*)?$",
        "is not an address that bundles are read from: write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, "
        "az://CONTAINER/PREFIX, https://HOST/PATH, oci://HOST/REPOSITORY:TAG, hf://ORG/REPO@REVISION or "
        "pvc://CLAIM/PATH",
        max_length=URI_LENGTH,
        rules=(
            rule("!self.matches(r'^https?://[^/]*@')", "credentials do not belong in the uri: put them into a Secret"),
            value_rule("!self.matches('/[.][.]([/?#;]|$)')", "must not climb with '..'"),
            value_rule(
                "!self.matches(r'^(s3|gs|az)://[^/]+/+[^/].*//+[^/]') "
                "&& !self.matches(r'^(s3|gs|az)://[^/]+/(.*/)?[.](/.*)?$')",
                "has an empty or '.' part in its path, by which no object is found: take it out",
            ),
            value_rule(
                "!self.matches(r'^https?://[^/]') || self.matches(r'^https?://[^/]*@') "
                f"|| self.matches(r'^https?://{_HOST_AND_PORT}([/?#].*)?$')",
                "names no host and port: write https://HOST/PATH or https://HOST:PORT/PATH",
            ),
            value_rule(
                "!self.startsWith('pvc://') || self.matches(r'^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/.*)?$')",
                "names no volume claim: write pvc://CLAIM/PATH, the claim in lower-case letters, digits and -",
            ),
            value_rule(
                "!self.startsWith('oci://') || self.matches(r'^oci://[^/@]+/[a-z0-9][-a-z0-9._/]*"
                f"(:{_TAG}|(:[A-Za-z0-9_][A-Za-z0-9._-]{{0,{TAG_LENGTH - 1}}})?@sha256:[0-9a-f]{{64}})$')",
                "names no version in a registry: write oci://HOST/REPOSITORY:TAG or "
                "oci://HOST/REPOSITORY@sha256:DIGEST, the repository in lower case",
            ),
            value_rule(
                "!self.startsWith('hf://') || self.matches(r'^hf://[A-Za-z0-9_][A-Za-z0-9._-]*"
                f"/[A-Za-z0-9_][A-Za-z0-9._-]*@{_HUB_REVISION}$')",
                "names no version in the Hugging Face Hub: write hf://ORG/REPO@REVISION, a branch, tag or commit",
            ),
        ),
    ),
]
Digest = Annotated[
    str,
    text(
        DIGEST_PATTERN,
        "is not a digest: write sha256: and 64 hex digits, of the bundle's SHA256SUMS",
        max_length=71,
    ),
]


class Source(ApiModel):
    """Where the bundle is, and which bytes are expected there."""

    model_config = checked(
        rule(
            "!has(self.s3) || self.uri.startsWith('s3://')",
            "s3 is only read for an s3:// uri: take it out, or change the uri",
            ".s3",
        ),
        rule(
            "!has(self.secretName) || !self.uri.startsWith('pvc://')",
            "a pvc:// source needs no credentials: take secretName out",
            ".secretName",
        ),
        rule(
            "!(has(self.s3) && has(self.s3.anonymous) && self.s3.anonymous && has(self.secretName))",
            "s3.anonymous and secretName exclude each other: keep one",
            ".secretName",
        ),
    )

    uri: Uri = Field(
        description="Address of the bundle: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, "
        "https://HOST/PATH (a directory with SHA256SUMS, or a .tar, .tar.gz or .tar.zst archive; http:// works too and "
        "is not encrypted), oci://HOST/REPOSITORY:TAG or @sha256:DIGEST (one file a layer, as slipway push makes it), "
        "hf://ORG/REPO@REVISION (the Hugging Face Hub: branch, tag or commit), pvc://CLAIM/PATH."
    )
    digest: Digest | None = Field(
        None,
        description="SHA-256 of the bundle's SHA256SUMS. When absent, resolved once per revision and held.",
    )
    secret_name: Name | None = Field(
        None,
        description="Secret with the store's credentials. Mounted into the fetcher only; the operator never reads it.",
    )
    s3: S3 | None = None
    signature: Signature | None = Field(
        None,
        description="Who has to have signed a version, asked when it is resolved, before its weights are fetched. "
        "It asks nothing of versions that were resolved before, and its change makes no new revision.",
    )
    decryption: Decryption | None = Field(
        None,
        description="The bundle is encrypted, all but config.pbtxt, golden requests and card, and is decrypted in each "
        "pod into memory. A plain bundle is refused then, and an encrypted one without this.",
    )


class Storage(ApiModel):
    """Room for a pod's copy of the bundle. When absent, an emptyDir sized from the resolved bundle."""

    model_config = checked(
        rule(
            "!has(self.storageClassName) || self.volume == 'Ephemeral'",
            "storageClassName is only read with volume: Ephemeral",
            ".storageClassName",
        )
    )

    size: Size | None = Field(None, description="Size of the volume. When absent, the resolved size and a tenth more.")
    volume: VolumeType = Field(VolumeType.EMPTY_DIR, description="EmptyDir, or Ephemeral for a PVC per pod.")
    storage_class_name: Name | None = Field(None, description="StorageClass of the Ephemeral volume.")


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
            rf"!has(self.follow) || !self.source.uri.matches('^[a-z0-9]+://[^/]*{_FOLLOWED}')",
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

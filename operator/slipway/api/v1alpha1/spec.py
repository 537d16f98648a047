"""`ModelDeployment.spec`: which model should answer, on what, and how many of it.

Field descriptions become the CRD's and the reference's. Defaults live here and so in the CRD schema; they are literals,
because the API server and this code must agree on them. CEL rules stand beside the model that they are about.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from slipway.api.base import ApiModel
from slipway.api.scalars import Decimals, Duration, Quantity


class Sharing(StrEnum):
    """Whether the devices may be shared with other pods, and by which mechanism."""

    EXCLUSIVE = "Exclusive"
    MPS = "MPS"
    TIME_SLICING = "TimeSlicing"


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


Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
ShortText = Annotated[str, Field(min_length=1, max_length=256)]
# A free-form piece of the Kubernetes API that we hand through unchanged: the API server validates it on the pod.
Passthrough = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]


class S3(ApiModel):
    """How to reach an S3-compatible store. Keys come from the Secret named by `secretName`."""

    endpoint: Annotated[str, Field(max_length=512, pattern=r"^https?://.+")] | None = Field(
        None, description="URL of the store, for one that is not AWS."
    )
    region: ShortText | None = Field(None, description="Region of the bucket; us-east-1 when nothing says otherwise.")
    force_path_style: bool | None = Field(
        None, description="Address the bucket in the path, not in the host name. Default: true when `endpoint` is set."
    )
    anonymous: bool | None = Field(None, description="Send unsigned requests: the bucket is public.")


class Source(ApiModel):
    """Where the bundle is, and which bytes are expected there."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.s3) || self.uri.startsWith('s3://')",
                    "message": "s3 is only read for an s3:// uri: take it out, or change the uri",
                    "fieldPath": ".s3",
                },
                {
                    "rule": "!has(self.secretName) || !self.uri.startsWith('pvc://')",
                    "message": "a pvc:// source needs no credentials: take secretName out",
                    "fieldPath": ".secretName",
                },
                {
                    "rule": "!(has(self.s3) && has(self.s3.anonymous) && self.s3.anonymous && has(self.secretName))",
                    "message": "s3.anonymous and secretName exclude each other: keep one",
                    "fieldPath": ".secretName",
                },
            ]
        }
    )

    uri: Annotated[str, Field(max_length=1024, pattern=r"^(s3|gs|az|https|http|pvc)://[^/]+(/.*)?$")] = Field(
        description="Address of the bundle: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, "
        "https://HOST/PATH (a directory with SHA256SUMS, or a .tar, .tar.gz or .tar.zst archive), pvc://CLAIM/PATH."
    )
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)] | None = Field(
        None,
        description="SHA-256 of the bundle's SHA256SUMS. When absent, resolved once per revision and held from then on.",
    )
    secret_name: Name | None = Field(
        None, description="Secret with the store's credentials. Mounted into the fetcher only; the operator never reads it."
    )
    s3: S3 | None = None


class Storage(ApiModel):
    """Room for a pod's copy of the bundle. Default: an emptyDir sized from the resolved bundle."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.storageClassName) || self.volume == 'Ephemeral'",
                    "message": "storageClassName is only read with volume: Ephemeral",
                    "fieldPath": ".storageClassName",
                }
            ]
        }
    )

    size: Quantity | None = Field(None, description="Size of the volume. Default: the resolved size and a tenth more.")
    volume: VolumeType = Field(VolumeType.EMPTY_DIR, description="EmptyDir, or Ephemeral for a PVC per pod.")
    storage_class_name: Name | None = Field(None, description="StorageClass of the Ephemeral volume.")


class DynamicBatching(ApiModel):
    """Triton's dynamic batcher."""

    preferred_batch_sizes: Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(max_length=32)] | None = None
    max_queue_delay: Duration | None = Field(None, description="How long a request may wait for others to join it.")
    max_queue_size: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Requests that may wait; more are answered 503."
    )


class Instances(ApiModel):
    """Triton's instance group: how many copies of the model one server runs."""

    count: Annotated[int, Field(ge=1, le=128)] = 1


class ModelConfig(ApiModel):
    """Typed overlay on the bundle's config.pbtxt. What is absent here stays as the bundle has it."""

    max_batch_size: Annotated[int, Field(ge=0, le=65536)] | None = None
    dynamic_batching: DynamicBatching | None = None
    instances: Instances | None = None


class Tensor(ApiModel):
    """One tensor of the V2 inference protocol, its data in row-major order."""

    name: ShortText
    datatype: DataType
    shape: Annotated[list[Annotated[int, Field(ge=0, le=2**31 - 1)]], Field(max_length=16)]
    data: Annotated[
        list[Any],
        Field(
            max_length=1024,
            description="Elements in row-major order.",
            json_schema_extra={"items": {"x-kubernetes-preserve-unknown-fields": True}},
        ),
    ]


class Tolerance(ApiModel):
    """How far an element may be from the right answer: |got - expected| <= absolute + relative * |expected|."""

    absolute: Decimals = "0.0001"
    relative: Decimals = "0.001"


class GoldenRequest(ApiModel):
    """A request with its right answer."""

    inputs: Annotated[list[Tensor], Field(min_length=1, max_length=32)]
    outputs: Annotated[list[Tensor], Field(min_length=1, max_length=32)]
    tolerance: Tolerance | None = None


class Verification(ApiModel):
    """Golden requests: asked before a pod may be ready, and again while it serves."""

    requests: Annotated[list[GoldenRequest], Field(min_length=1, max_length=16)] | None = Field(
        None, description="Used instead of those that the bundle carries in golden/."
    )
    interval: Duration = Field("60s", description="How often they are asked while serving; 0s = only at start.")


class Model(ApiModel):
    """The model: its name, its version, and where its bundle is."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name)",
                    "message": "model.name is immutable: clients call the model by it; make a new ModelDeployment",
                    "fieldPath": ".name",
                },
                {
                    "rule": "!has(self.storage) || !self.source.uri.startsWith('pvc://')",
                    "message": "a pvc:// source is served in place: take storage out",
                    "fieldPath": ".storage",
                },
            ]
        }
    )

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$")] | None = Field(
        None, description="Triton's model name. When absent, metadata.name."
    )
    version: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="Your own name for this version; shown everywhere."
    )
    source: Source
    storage: Storage | None = None
    config: ModelConfig | None = None
    verification: Verification | None = None


class LocalObjectReference(ApiModel):
    """An object of the same namespace, by name."""

    name: Name


class EnvVar(ApiModel):
    """An environment variable of the server's container."""

    name: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
    value: Annotated[str, Field(max_length=4096)] | None = None
    value_from: Passthrough | None = None


class ResourceRequirements(ApiModel):
    """Requests and limits of the server's container. GPUs belong to `accelerator`."""

    requests: Annotated[dict[str, int | Quantity], Field(max_length=16)] | None = None
    limits: Annotated[dict[str, int | Quantity], Field(max_length=16)] | None = None


class Server(ApiModel):
    """The Triton server."""

    image: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None, description="Server image. Default: the operator's, held per revision."
    )
    image_pull_secrets: Annotated[
        list[LocalObjectReference],
        Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
    ] | None = None
    args: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=64)] | None = Field(
        None, description="Further arguments of tritonserver. Those that Slipway itself sets are refused."
    )
    env: Annotated[
        list[EnvVar],
        Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
    ] | None = None
    resources: ResourceRequirements | None = None
    request_timeout: Duration = Field(
        "30s", description="The longest a request may take; how long a stopping server waits for those in flight."
    )
    startup_timeout: Duration = Field("10m", description="How long loading and the first golden answers may take.")


class Accelerator(ApiModel):
    """GPUs for each pod: whole devices, or one MIG slice."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.mig) || (!has(self.memory) && !has(self.resourceName) && self.count == 1 "
                    "&& self.sharing == 'Exclusive')",
                    "message": "mig asks for one slice instead of whole devices: take out memory, resourceName, sharing "
                    "and any count but 1",
                    "fieldPath": ".mig",
                },
                {
                    "rule": "self.sharing == 'Exclusive' || self.count == 1",
                    "message": "more than one share of a device gives no more compute: with sharing, count must be 1",
                    "fieldPath": ".count",
                },
            ]
        }
    )

    count: Annotated[int, Field(ge=1, le=64)] = 1
    resource_name: Annotated[str, Field(max_length=128, pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")] | None = Field(
        None, description="Extended resource; nvidia.com/gpu when absent."
    )
    products: Annotated[list[ShortText], Field(min_length=1, max_length=16)] | None = Field(
        None, description="Any of these values of the node label nvidia.com/gpu.product."
    )
    memory: Quantity | None = Field(None, description="At least this much memory per device.")
    mig: Annotated[str, Field(max_length=32, pattern=r"^[0-9]+g\.[0-9]+gb(\.[a-z0-9.+]+)?$")] | None = Field(
        None, description="A MIG profile, such as 1g.10gb, instead of whole devices."
    )
    mig_strategy: Annotated[str, Field(pattern=r"^(single|mixed)$")] | None = Field(
        None, description="How the nodes offer MIG slices: mixed (default) or single."
    )
    sharing: Sharing = Sharing.EXCLUSIVE


class Scheduling(ApiModel):
    """Where pods may run. The pod's own fields, added to what `accelerator` asks."""

    node_selector: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] | None = None
    tolerations: Annotated[list[Passthrough], Field(max_length=32)] | None = None
    affinity: Passthrough | None = None
    topology_spread_constraints: Annotated[list[Passthrough], Field(max_length=16)] | None = None
    priority_class_name: Name | None = None
    runtime_class_name: Name | None = None
    service_account_name: Name | None = None


class PodMetadata(ApiModel):
    """Labels and annotations for the pods: a Kueue queue, a mesh, a cost centre."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.labels) || self.labels.all(k, !k.startsWith('serving.slipway.dev/') && "
                    "!k.startsWith('app.kubernetes.io/'))",
                    "message": "labels under serving.slipway.dev/ and app.kubernetes.io/ are Slipway's own",
                    "fieldPath": ".labels",
                }
            ]
        }
    )

    labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] | None = None
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)] | None = None


class Autoscaling(ApiModel):
    """A HorizontalPodAutoscaler per revision, as autoscaling/v2 has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.minReplicas <= self.maxReplicas",
                    "message": "minReplicas must not be above maxReplicas",
                    "fieldPath": ".minReplicas",
                }
            ]
        }
    )

    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    metrics: Annotated[list[Passthrough], Field(min_length=1, max_length=16)] = Field(
        description="Metrics as in autoscaling/v2."
    )
    behavior: Passthrough | None = Field(None, description="Behavior as in autoscaling/v2.")


class Rollout(ApiModel):
    """How a new version takes over."""

    fetch_timeout: Duration = Field("1h", description="How long a bundle may take to be resolved or fetched.")
    progress_deadline: Duration = Field(
        "10m", description="How long a new version may go without progress once it is fetched."
    )
    history_limit: Annotated[int, Field(ge=1, le=100)] = Field(10, description="Retired revisions that are kept.")


class Traffic(ApiModel):
    """Who may call the model."""

    allow_from: Annotated[list[Passthrough], Field(min_length=1, max_length=32)] | None = Field(
        None, description="NetworkPolicy peers that may reach the model's ports; all others are cut off."
    )


class ModelDeploymentSpec(ApiModel):
    """Which model should answer, and how."""

    model: Model
    server: Server | None = None
    accelerator: Accelerator | None = Field(None, description="Absent = CPU.")
    scheduling: Scheduling | None = None
    pod_metadata: PodMetadata | None = None
    replicas: Annotated[int, Field(ge=0, le=1000)] = Field(
        1, description="Number of pods. With autoscaling it is only where a new version starts."
    )
    autoscaling: Autoscaling | None = None
    rollout: Rollout | None = None
    traffic: Traffic | None = None
    suspend: bool = Field(False, description="Scale to nothing and keep the object.")

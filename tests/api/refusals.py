"""Specs that are refused: each with a name, the field's path, and what the API server says of it."""

from typing import Any

from slipway.api.v1alpha1.spec import DataType

S3 = {"uri": "s3://models/churn/1"}
PVC = {"uri": "pvc://models/churn/1"}
METRICS = [{"type": "Resource", "resource": {"name": "cpu"}}]
TENSOR = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}
GOLDEN = {"inputs": [TENSOR], "outputs": [TENSOR]}


def model(**fields: Any) -> dict[str, Any]:
    return {"model": {"version": "1", "source": S3, **fields}}


def source(**fields: Any) -> dict[str, Any]:
    return model(source={**S3, **fields})


def following(uri: str = "s3://models/churn/$(version)", source: Any = None, **fields: Any) -> dict[str, Any]:
    follow = {"model": "churn", "alias": "champion", **fields}
    return {"model": {"follow": follow, "source": {"uri": uri, **(source or {})}}}


def golden(**fields: Any) -> dict[str, Any]:
    return model(verification={"requests": [{**GOLDEN, **fields}]})


def with_model(**parts: Any) -> dict[str, Any]:
    return {**model(), **parts}


def routed(**traffic: Any) -> dict[str, Any]:
    return with_model(traffic={"gateway": {"name": "g"}, **traffic})


def _beside_a_version() -> dict[str, Any]:
    return {"model": {**following()["model"], "version": "3"}}


NOT_ONE_VERSION = "give either version, or follow for the one that an alias of a registered model means"
URI = (
    "is not an address that bundles are read from: write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, "
    "az://CONTAINER/PREFIX, https://HOST/PATH, oci://HOST/REPOSITORY:TAG, hf://ORG/REPO@REVISION or "
    "pvc://CLAIM/PATH"
)
TYPES = ", ".join(f'"{kind}"' for kind in DataType)
NAMESPACE = "is not the name of a namespace: lower-case letters, digits and -, neither first nor last a -"
NAME = "is not the name of a Kubernetes object: lower-case letters, digits, - and ., neither first nor last a - or ."
NO_VERSION = (
    "names no version in a registry: write oci://HOST/REPOSITORY:TAG or oci://HOST/REPOSITORY@sha256:DIGEST, the "
    "repository in lower case"
)
NO_REVISION = "names no version in the Hugging Face Hub: write hf://ORG/REPO@REVISION, a branch, tag or commit"
SECONDS = "is not a time in whole seconds: write it like 30s, 10m or 1h30m"
QUANTITY = "is not a quantity: write it like 500m, 2 or 20Gi"
DECIMAL = "is not a decimal: write it as a string like '0.001' or '1e-5'"
LABEL = "is not a label value: letters, digits, -, _ and ., with a letter or digit at both ends"
BY_CLASS = (
    "deviceClass and anyOf ask for devices by class: take out resourceName, products, memory, mig, migStrategy "
    "and sharing, and say in selectors what a device must have"
)
NO_GPU = "GPUs are asked for in spec.accelerator: take nvidia.com/ out"
MIG = "mig asks for one slice instead of whole devices: take out memory, resourceName, sharing and any count but 1"
SHARED = "more than one share of a device gives no more compute: with sharing, count must be 1"
PLAIN: dict[str, Any] = {"gateway": {"name": "g"}, "grpcRoute": {"hostnames": ["a.example"]}}
SHARED_HOSTNAMES: dict[str, dict[str, Any]] = {
    "the same": {"hostnames": ["b.example", "a.example"]},
    "all of them": {},
    "one has a wildcard": {"hostnames": ["*.example"]},
    "the other has one": {"hostnames": ["x.a.example"], "grpcRoute": {"hostnames": ["*.a.example"]}},
    "gRPC has a listener, HTTP has all": {
        "hostnames": ["a.example"],
        "grpcRoute": {"hostnames": ["a.example"], "sectionName": "grpc"},
    },
    "the same listener": {
        "gateway": {"name": "g", "sectionName": "s"},
        "hostnames": ["a.example"],
        "grpcRoute": {"hostnames": ["a.example"], "sectionName": "s"},
    },
}
ERRORS = {"name": "errors", "builtIn": "ErrorRate", "max": "0.01"}


def analysis(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    canary = {"steps": steps or [{"analysis": "Inline"}]}
    return with_model(rollout={"type": "Canary", "canary": canary, "analysis": fields})


def checked(*checks: dict[str, Any], **more: Any) -> dict[str, Any]:
    rollout = {"type": "BlueGreen", "blueGreen": {"afterSwitch": list(checks)}, **more}
    return with_model(rollout=rollout, traffic={"gateway": {"name": "g"}})


def queried(**more: Any) -> dict[str, Any]:
    return {"name": "q", "prometheus": {"address": "http://p:9090", "query": "sum(x)", **more}}


# Sentence, fields of the analysis, path below it, what the API server says after the path.
ANALYSES: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "a metric of two sources",
        {"metrics": [{**ERRORS, "answers": {}}]},
        "metrics[0].builtIn",
        "set exactly one of builtIn, prometheus, answers and score",
    ),
    (
        "a metric without a source",
        {"metrics": [{"name": "a", "max": "1"}]},
        "metrics[0].builtIn",
        "set exactly one of builtIn, prometheus, answers and score",
    ),
    (
        "a metric without a condition",
        {"metrics": [{"name": "a", "builtIn": "Requests"}]},
        "metrics[0].max",
        "nothing is decided without a condition: set max, min or maxRatio; for a score min, max or maxDrop",
    ),
    (
        "a drop of an error rate",
        {"metrics": [{**ERRORS, "maxDrop": "1"}]},
        "metrics[0].maxDrop",
        "only a score drops: set max or maxRatio",
    ),
    (
        "a ratio of a score",
        {"metrics": [{"name": "a", "score": {"metric": "f1"}, "maxRatio": "1"}]},
        "metrics[0].maxRatio",
        "set maxDrop for a score",
    ),
    (
        "answers with a minimum",
        {"metrics": [{"name": "a", "answers": {}, "min": "1"}]},
        "metrics[0].answers",
        "answers are compared with stable's already: set max only",
    ),
    (
        "a ratio of one query",
        {"metrics": [{**queried(), "maxRatio": "1"}]},
        "metrics[0].maxRatio",
        "the query is asked for each revision: use $(revision) or $(pods) in it",
    ),
    (
        "an address that is none",
        {"metrics": [{**queried(address="p:9090"), "max": "1"}]},
        "metrics[0].prometheus.address",
        "'p:9090' is no address: write it like http://prometheus.monitoring:9090",
    ),
    (
        "a placeholder that nobody knows",
        {"metrics": [{**queried(query='x{a="$(foo)"}'), "max": "1"}]},
        "metrics[0].prometheus.query",
        "'x{a=\"$(foo)\"}' may have $(namespace), $(name), $(revision) and $(pods) only",
    ),
    (
        "an analysis that cannot fail",
        {"metrics": [ERRORS], "count": 2, "failureLimit": 2},
        "failureLimit",
        "it could never fail: set failureLimit below count",
    ),
    ("an interval of zero", {"metrics": [ERRORS], "interval": "0s"}, "interval", "'0s' must be more than zero"),
    (
        "a metric's name with a space",
        {"metrics": [{**ERRORS, "name": "A b"}]},
        "metrics[0].name",
        "'A b' is no name: lower-case letters, digits and - between them",
    ),
]

# Sentence, spec, path, what the API server says after the path.
RULES: list[tuple[str, dict[str, Any], str, str]] = [
    ("a uri of an unknown kind", source(uri="ftp://o/m"), "spec.model.source.uri", f"'ftp://o/m' {URI}"),
    ("a uri without a host", source(uri="https:///m"), "spec.model.source.uri", f"'https:///m' {URI}"),
    (
        "credentials in the uri",
        source(uri="https://me:secret@host/m"),
        "spec.model.source.uri",
        "credentials do not belong in the uri: put them into a Secret",
    ),
    (
        "a path that climbs",
        source(uri="pvc://c/../d"),
        "spec.model.source.uri",
        "'pvc://c/../d' must not climb with '..'",
    ),
    *(
        (
            f"a climb before what is no path: {uri}",
            source(uri=uri),
            "spec.model.source.uri",
            f"'{uri}' must not climb with '..'",
        )
        for uri in ("https://h/a/..?b", "https://h/a/..#b", "https://h/a/..;b/c")
    ),
    (
        "a path that ends in a climb",
        source(uri="s3://b/.."),
        "spec.model.source.uri",
        "'s3://b/..' must not climb with '..'",
    ),
    *(
        (
            f"a part that is none: {uri}",
            source(uri=uri),
            "spec.model.source.uri",
            f"'{uri}' has an empty or '.' part in its path, by which no object is found: take it out",
        )
        for uri in ("s3://b/team//churn", "gs://b/./churn", "az://c/churn/.", "s3://b/a/././b")
    ),
    *(
        (
            f"no host and port: {uri}",
            source(uri=uri),
            "spec.model.source.uri",
            f"'{uri}' names no host and port: write https://HOST/PATH or https://HOST:PORT/PATH",
        )
        for uri in ("https://[::1/a", "https://[/a", "https://host:99999/a", "http://host:port", "https://h:0?a=b")
    ),
    *(
        (
            f"no store: {endpoint}",
            source(uri="s3://b/m", s3={"endpoint": endpoint}),
            "spec.model.source.s3.endpoint",
            f"'{endpoint}' names no host and port of a store: write it like https://minio.example:9000",
        )
        for endpoint in ("http://minio:99999", "http://[::1", "https://minio:", "http://minio:65536/s3")
    ),
    (
        "a claim that no volume can have",
        source(uri="pvc://My_Claim/m"),
        "spec.model.source.uri",
        (
            "'pvc://My_Claim/m' names no volume claim: "
            "write pvc://CLAIM/PATH, the claim in lower-case letters, digits and -"
        ),
    ),
    (
        "a version with a space at its end",
        model(version="3 "),
        "spec.model.version",
        "'3 ' is not a version: one line of text, without a space at either end",
    ),
    ("no version", {"model": {"source": S3}}, "spec.model.version", NOT_ONE_VERSION),
    ("a version beside an alias", _beside_a_version(), "spec.model.version", NOT_ONE_VERSION),
    (
        "a digest beside an alias",
        following(source={"digest": "sha256:" + "0" * 64}),
        "spec.model.source.digest",
        "the digest is that of the followed version: take source.digest out",
    ),
    (
        "an alias without a place for the version",
        following("s3://models/churn/3"),
        "spec.model.source.uri",
        "follow needs $(version) in the uri, where the version stands: write it like s3://models/churn/$(version)",
    ),
    (
        "a place for the version without an alias",
        source(uri="s3://models/churn/$(version)"),
        "spec.model.source.uri",
        "$(version) in the uri is only read with follow: write the version out",
    ),
    *(
        (
            f"the version in the place of a store: {uri}",
            following(uri),
            "spec.model.source.uri",
            (
                "$(version) must not be in the host, bucket or claim, for whoever publishes would choose where "
                "credentials are sent: put it into the path"
            ),
        )
        for uri in ("s3://churn-$(version)/3", "https://$(version).example/m", "oci://h$(version)/churn:3")
    ),
    (
        "a model that no name fits",
        following(model="Churn"),
        "spec.model.follow.model",
        (
            "'Churn' is not a registered model's name: at most 63 lower-case letters, digits and -, with a letter in "
            "front"
        ),
    ),
    (
        "an alias in capitals",
        following(alias="Champion"),
        "spec.model.follow.alias",
        "'Champion' names an alias that is none: at most 32 lower-case letters, digits and -, with a letter in front",
    ),
    ("a namespace in capitals", following(namespace="A"), "spec.model.follow.namespace", f"'A' {NAME}"),
    (
        "a short digest",
        source(digest="sha256:00"),
        "spec.model.source.digest",
        "'sha256:00' is not a digest: write sha256: and 64 hex digits, of the bundle's SHA256SUMS",
    ),
    ("a secret's name in capitals", source(secretName="Keys"), "spec.model.source.secretName", f"'Keys' {NAME}"),
    (
        "s3 beside another store",
        source(uri="https://host/m", s3={}),
        "spec.model.source.s3",
        "s3 is only read for an s3:// uri: take it out, or change the uri",
    ),
    *(
        (
            f"no version in a registry: {uri}",
            source(uri=uri),
            "spec.model.source.uri",
            f"'{uri}' {NO_VERSION}",
        )
        for uri in ("oci://host/churn", "oci://host/Churn:3", "oci://host/churn:3/x", "oci://host/churn@sha256:12")
    ),
    *(
        (f"no version in the Hub: {uri}", source(uri=uri), "spec.model.source.uri", f"'{uri}' {NO_REVISION}")
        for uri in ("hf://churn@v3", "hf://acme/churn", "hf://acme/churn@")
    ),
    (
        "signers in capitals",
        source(signature={"configMapName": "Signers"}),
        "spec.model.source.signature.configMapName",
        f"'Signers' {NAME}",
    ),
    (
        "a key's secret in capitals",
        source(decryption={"secretName": "Key"}),
        "spec.model.source.decryption.secretName",
        f"'Key' {NAME}",
    ),
    (
        "an endpoint that is no URL",
        source(s3={"endpoint": "minio:9000"}),
        "spec.model.source.s3.endpoint",
        "'minio:9000' is not the address of a store: write it like https://minio.example:9000",
    ),
    (
        "a secret for a volume",
        model(source={**PVC, "secretName": "keys"}),
        "spec.model.source.secretName",
        "a pvc:// source needs no credentials: take secretName out",
    ),
    (
        "a secret for anonymous reads",
        source(secretName="keys", s3={"anonymous": True}),
        "spec.model.source.secretName",
        "s3.anonymous and secretName exclude each other: keep one",
    ),
    (
        "storage for what is served in place",
        model(source=PVC, storage={"size": "1Gi"}),
        "spec.model.storage",
        "a pvc:// source is served in place: take storage out",
    ),
    ("a bad size", model(storage={"size": "20Gib"}), "spec.model.storage.size", f"'20Gib' {QUANTITY}"),
    ("no size", model(storage={"size": "0Gi"}), "spec.model.storage.size", "'0Gi' must be more than zero"),
    (
        "a storage class for an emptyDir",
        model(storage={"storageClassName": "fast"}),
        "spec.model.storage.storageClassName",
        "storageClassName is only read with volume: Ephemeral",
    ),
    (
        "a bad model name",
        model(name="../churn"),
        "spec.model.name",
        "'../churn' is not a model name: letters, digits, _, - and ., with a letter, digit or _ at both ends",
    ),
    (
        "a bad delay",
        model(config={"dynamicBatching": {"maxQueueDelay": "2 ms"}}),
        "spec.model.config.dynamicBatching.maxQueueDelay",
        "'2 ms' is not a duration: write it like 200ms, 2s or 1m30s",
    ),
    (
        "copies on a GPU that is not there",
        model(config={"instances": {"gpus": [0]}}),
        "spec.model.config.instances.gpus",
        "instances.gpus names a GPU that the pod does not have: they are counted from 0 to accelerator.count - 1",
    ),
    ("a bad interval", model(verification={"interval": "5ms"}), "spec.model.verification.interval", f"'5ms' {SECONDS}"),
    (
        "a bad tolerance",
        golden(tolerance={"absolute": "1%"}),
        "spec.model.verification.requests[0].tolerance.absolute",
        f"'1%' {DECIMAL}",
    ),
    (
        "an answer and responses",
        golden(responses=[{"outputs": [TENSOR]}]),
        "spec.model.verification.requests[0]",
        "give either outputs or responses",
    ),
    (
        "no answer",
        model(verification={"requests": [{"inputs": [TENSOR]}]}),
        "spec.model.verification.requests[0]",
        "give either outputs or responses",
    ),
    (
        "no time for a request",
        with_model(server={"requestTimeout": "0s"}),
        "spec.server.requestTimeout",
        "'0s' must be more than zero",
    ),
    ("a time in days", with_model(server={"startupTimeout": "1d"}), "spec.server.startupTimeout", f"'1d' {SECONDS}"),
    (
        "a bad deadline",
        with_model(rollout={"progressDeadline": "soon"}),
        "spec.rollout.progressDeadline",
        f"'soon' {SECONDS}",
    ),
    (
        "no time to fetch",
        with_model(rollout={"fetchTimeout": "0h"}),
        "spec.rollout.fetchTimeout",
        "'0h' must be more than zero",
    ),
    (
        "a variable of ours",
        with_model(server={"env": [{"name": "SLIPWAY_GUARD", "value": "{}"}]}),
        "spec.server.env[0].name",
        "'SLIPWAY_GUARD' is Slipway's own, as all that start with SLIPWAY_: rename it",
    ),
    (
        "a variable that starts with a digit",
        with_model(server={"env": [{"name": "1X"}]}),
        "spec.server.env[0].name",
        "'1X' is not the name of a variable: letters, digits, -, _ and ., with no digit in front",
    ),
    (
        "a variable with two values",
        with_model(
            server={"env": [{"name": "X", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}
        ),
        "spec.server.env[0].valueFrom",
        "value and valueFrom exclude each other: keep one",
    ),
    (
        "a GPU among the limits",
        with_model(server={"resources": {"limits": {"nvidia.com/gpu": 1}}}),
        "spec.server.resources.limits",
        NO_GPU,
    ),
    (
        "a MIG slice among the requests",
        with_model(server={"resources": {"requests": {"nvidia.com/mig-1g.10gb": 1}}}),
        "spec.server.resources.requests",
        NO_GPU,
    ),
    (
        "a bad limit",
        with_model(server={"resources": {"limits": {"memory": "1GB"}}}),
        "spec.server.resources.limits[memory]",
        f"'1GB' {QUANTITY}",
    ),
    ("MIG and memory", with_model(accelerator={"mig": "1g.10gb", "memory": "10Gi"}), "spec.accelerator.mig", MIG),
    ("two MIG slices", with_model(accelerator={"mig": "1g.10gb", "count": 2}), "spec.accelerator.mig", MIG),
    ("a shared MIG slice", with_model(accelerator={"mig": "1g.10gb", "sharing": "MPS"}), "spec.accelerator.mig", MIG),
    (
        "a bad MIG profile",
        with_model(accelerator={"mig": "mig-1g"}),
        "spec.accelerator.mig",
        "'mig-1g' is not a MIG profile: write it like 1g.10gb",
    ),
    (
        "a MIG strategy without MIG",
        with_model(accelerator={"migStrategy": "mixed"}),
        "spec.accelerator.migStrategy",
        "migStrategy is only read with mig: take it out, or say which profile in mig",
    ),
    ("two shares", with_model(accelerator={"sharing": "TimeSlicing", "count": 2}), "spec.accelerator.count", SHARED),
    (
        "a resource that is not extended",
        with_model(accelerator={"resourceName": "gpu"}),
        "spec.accelerator.resourceName",
        "'gpu' is not an extended resource: write it like nvidia.com/gpu",
    ),
    (
        "a class and a product",
        with_model(accelerator={"deviceClass": "gpu.nvidia.com", "products": ["Tesla-T4"]}),
        "spec.accelerator",
        BY_CLASS,
    ),
    (
        "a class and a share",
        with_model(accelerator={"deviceClass": "gpu.nvidia.com", "sharing": "MPS"}),
        "spec.accelerator",
        BY_CLASS,
    ),
    (
        "alternatives beside a class",
        with_model(accelerator={"deviceClass": "gpu.nvidia.com", "anyOf": [{"deviceClass": "mig.nvidia.com"}]}),
        "spec.accelerator.anyOf",
        "each entry of anyOf has a deviceClass, count and selectors of its own: take those beside anyOf out",
    ),
    (
        "alternatives beside a count",
        with_model(accelerator={"count": 2, "anyOf": [{"deviceClass": "mig.nvidia.com"}]}),
        "spec.accelerator.anyOf",
        "each entry of anyOf has a deviceClass, count and selectors of its own: take those beside anyOf out",
    ),
    (
        "selectors without a class",
        with_model(accelerator={"selectors": ["true"]}),
        "spec.accelerator.selectors",
        "selectors choose among the devices of a class: say which in deviceClass",
    ),
    (
        "more devices than a claim has",
        with_model(accelerator={"deviceClass": "gpu.nvidia.com", "count": 33}),
        "spec.accelerator.count",
        "a claim has at most 32 devices: lower count",
    ),
    (
        "a GPU that one of the alternatives does not have",
        {
            **model(config={"instances": {"gpus": [1]}}),
            "accelerator": {"anyOf": [{"deviceClass": "a", "count": 2}, {"deviceClass": "b"}]},
        },
        "spec.model.config.instances.gpus",
        "instances.gpus names a GPU that the pod does not have: they are counted from 0 to accelerator.count - 1",
    ),
    ("a bad memory", with_model(accelerator={"memory": "lots"}), "spec.accelerator.memory", f"'lots' {QUANTITY}"),
    (
        "a node label that no node can have",
        with_model(scheduling={"nodeSelector": {"zone": "a b"}}),
        "spec.scheduling.nodeSelector[zone]",
        f"'a b' {LABEL}",
    ),
    (
        "labels of ours",
        with_model(podMetadata={"labels": {"serving.slipway.dev/revision": "x"}}),
        "spec.podMetadata.labels",
        "labels under serving.slipway.dev/ and app.kubernetes.io/ are Slipway's own: take them out",
    ),
    (
        "annotations of ours",
        with_model(podMetadata={"annotations": {"serving.slipway.dev/applied": "x"}}),
        "spec.podMetadata.annotations",
        "annotations under serving.slipway.dev/ are Slipway's own: take them out",
    ),
    (
        "a minimum above the maximum",
        with_model(autoscaling={"minReplicas": 5, "maxReplicas": 4, "metrics": METRICS}),
        "spec.autoscaling.minReplicas",
        "minReplicas must not be above maxReplicas: lower the one or raise the other",
    ),
    (
        "a load and metrics",
        with_model(autoscaling={"maxReplicas": 4, "metrics": METRICS, "load": {}}),
        "spec.autoscaling",
        "give either load or metrics: one of the two says how many pods",
    ),
    (
        "neither a load nor metrics",
        with_model(autoscaling={"maxReplicas": 4}),
        "spec.autoscaling",
        "give either load or metrics: one of the two says how many pods",
    ),
    (
        "an HPA without metrics",
        with_model(autoscaling={"maxReplicas": 4, "load": {}, "scaler": "HPA"}),
        "spec.autoscaling.scaler",
        "scaler HPA goes by metrics, Slipway and KEDA by load: take scaler out, or give what it goes by",
    ),
    (
        "Slipway's scaler by metrics",
        with_model(autoscaling={"maxReplicas": 4, "metrics": METRICS, "scaler": "Slipway"}),
        "spec.autoscaling.scaler",
        "scaler HPA goes by metrics, Slipway and KEDA by load: take scaler out, or give what it goes by",
    ),
    (
        "an HPA's behavior without an HPA",
        with_model(autoscaling={"maxReplicas": 4, "load": {}, "behavior": {"scaleDown": {}}}),
        "spec.autoscaling.behavior",
        "only HPA and KEDA read behavior: take it out",
    ),
    (
        "KEDA by metrics",
        with_model(autoscaling={"maxReplicas": 4, "metrics": METRICS, "scaler": "KEDA"}),
        "spec.autoscaling.scaler",
        "scaler HPA goes by metrics, Slipway and KEDA by load: take scaler out, or give what it goes by",
    ),
    (
        "headroom that KEDA does not add",
        with_model(autoscaling={"maxReplicas": 4, "load": {"headroom": 1}, "scaler": "KEDA"}),
        "spec.autoscaling.load.headroom",
        "KEDA adds no headroom: take it out, and lower target or raise minReplicas instead",
    ),
    (
        "a backlog of nothing",
        with_model(autoscaling={"maxReplicas": 4, "load": {"backlog": "0s"}}),
        "spec.autoscaling.load.backlog",
        "'0s' must be more than zero",
    ),
    (
        "no time for which fewer pods must have been enough",
        with_model(autoscaling={"maxReplicas": 4, "load": {"stabilization": "0s"}}),
        "spec.autoscaling.load.stabilization",
        "'0s' must be more than zero",
    ),
    (
        "a capacity of nothing",
        with_model(autoscaling={"maxReplicas": 4, "load": {"capacity": "0.0"}}),
        "spec.autoscaling.load.capacity",
        "'0.0' is not a number of requests a second above zero: write it as a string like '85' or '0.5'",
    ),
    (
        "rollingUpdate of another type",
        with_model(rollout={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
        "spec.rollout.rollingUpdate",
        "only the types Auto and RollingUpdate read rollingUpdate: take it out or change type",
    ),
    (
        "canary of another type",
        with_model(rollout={"canary": {"steps": [{"weight": 10}]}}),
        "spec.rollout.canary",
        "type Canary and canary.steps go together: give both or neither",
    ),
    (
        "a step that is two",
        with_model(rollout={"type": "Canary", "canary": {"steps": [{"weight": 10, "pause": {}}]}}),
        "spec.rollout.canary.steps[0]",
        "a step has exactly one of weight, pause, shadow and analysis: make several steps of it",
    ),
    (
        "a step of analysis without one",
        with_model(rollout={"type": "Canary", "canary": {"steps": [{"analysis": "Inline"}]}}),
        "spec.rollout.analysis",
        "analysis and a step that runs it go together: give both or neither",
    ),
    (
        "an analysis that no step runs",
        analysis({"weight": 10}, metrics=[ERRORS]),
        "spec.rollout.analysis",
        "analysis and a step that runs it go together: give both or neither",
    ),
    (
        "an analysis both in a step and beside them",
        analysis({"analysis": "Background"}, {"analysis": "Inline"}, metrics=[ERRORS]),
        "spec.rollout.canary.steps",
        "an analysis runs Inline in any number of steps, or once in the Background: keep one of them",
    ),
    *(
        (name, analysis(**fields), f"spec.rollout.analysis.{field}", message)
        for name, fields, field, message in ANALYSES
    ),
    (
        "a shadow without a gateway",
        with_model(rollout={"type": "Canary", "canary": {"steps": [{"shadow": 10}]}}),
        "spec.rollout.canary",
        "fullSize and shadow steps need a gateway: add traffic.gateway, or take them out",
    ),
    (
        "all of a canary's pods without a gateway",
        with_model(rollout={"type": "Canary", "canary": {"steps": [{"weight": 10}], "fullSize": True}}),
        "spec.rollout.canary",
        "fullSize and shadow steps need a gateway: add traffic.gateway, or take them out",
    ),
    (
        "a pause of no time",
        with_model(rollout={"type": "Canary", "canary": {"steps": [{"pause": {"duration": "0s"}}]}}),
        "spec.rollout.canary.steps[0].pause.duration",
        "'0s' must be more than zero",
    ),
    *(
        (
            f"{field} without a gateway",
            with_model(traffic={field: value}),
            f"spec.traffic.{field}",
            f"only a gateway reads {field}: add traffic.gateway, or take it out",
        )
        for field, value in (
            ("hostnames", ["churn.example"]),
            ("pathPrefix", "/churn"),
            ("timeouts", {"request": "30s"}),
            ("candidateHeader", {"name": "x-candidate", "value": "1"}),
            ("versionHeader", "Slipway-Version"),
            ("loadBalancing", "LeastRequest"),
            ("retries", {"attempts": 2}),
            ("rateLimit", {"requests": 10, "per": "Second"}),
            ("maxRequestSize", "16Mi"),
            ("authentication", {"apiKeys": {"secretName": "clients"}}),
            ("grpcRoute", {"hostnames": ["grpc.churn.example"]}),
        )
    ),
    (
        "a gateway in what is called like no namespace",
        with_model(traffic={"gateway": {"name": "public", "namespace": "gateways.example"}}),
        "spec.traffic.gateway.namespace",
        f"'gateways.example' {NAMESPACE}",
    ),
    *(
        (
            f"gRPC and HTTP on one hostname: {told}",
            with_model(traffic=PLAIN | traffic),
            "spec.traffic.grpcRoute.hostnames",
            "HTTP and gRPC may share no hostname on one listener: give each its own hostnames, or each a sectionName",
        )
        for told, traffic in SHARED_HOSTNAMES.items()
    ),
    *(
        (
            f"a GRPCRoute beside {field}",
            with_model(traffic=PLAIN | {"hostnames": ["b.example"], field: value}),
            "spec.traffic.grpcRoute",
            "Envoy Gateway needs no GRPCRoute, and guards none: take grpcRoute out, or what only Envoy Gateway reads",
        )
        for field, value in (
            ("loadBalancing", "LeastRequest"),
            ("retries", {"attempts": 2}),
            ("rateLimit", {"requests": 10, "per": "Second"}),
            ("maxRequestSize", "16Mi"),
            ("authentication", {"apiKeys": {"secretName": "clients"}}),
        )
    ),
    *(
        (
            f"a body of {size}",
            routed(maxRequestSize=size),
            "spec.traffic.maxRequestSize",
            f"'{size}' is not a size of a body: write it like 512Ki or 16Mi, 1Gi at most",
        )
        for size in ("0", "1.5Mi", "5MB", "-1", "2Gi", "1025Mi", "1000000Ki", "1000000000", "9999999999Gi")
    ),
    *(
        (
            f"the version in {header}",
            routed(versionHeader=header),
            "spec.traffic.versionHeader",
            f"'{header}' must have version, revision, release or model in its name: write it like Slipway-Version",
        )
        for header in ("Content-Length", "set-cookie", "Location", "X-Accel-Redirect", "Access-Control-Allow-Origin")
    ),
    (
        "a hostname that is none",
        routed(hostnames=["https://churn.example"]),
        "spec.traffic.hostnames[0]",
        "'https://churn.example' is not a hostname: write it like churn.example.com",
    ),
    (
        "a path prefix that ends in a slash",
        routed(pathPrefix="/churn/"),
        "spec.traffic.pathPrefix",
        "'/churn/' is not a path prefix: write it like /churn, with no / at the end",
    ),
    *(
        (
            f"a path prefix that leads elsewhere: {prefix}",
            routed(pathPrefix=prefix),
            "spec.traffic.pathPrefix",
            f"'{prefix}' is not a path prefix: write it like /churn, with no / at the end",
        )
        for prefix in ("/churn/..", "/./churn")
    ),
    (
        "a header whose name has a space",
        routed(candidateHeader={"name": "x y", "value": "1"}),
        "spec.traffic.candidateHeader.name",
        "'x y' is not the name of a header",
    ),
    (
        "an authentication by nothing",
        routed(authentication={}),
        "spec.traffic.authentication",
        "authentication needs apiKeys, jwt or both: give one, or take it out",
    ),
    (
        "an issuer whose keys anybody on the way may change",
        routed(authentication={"jwt": {"issuer": "https://i", "jwksUri": "http://i/keys"}}),
        "spec.traffic.authentication.jwt.jwksUri",
        "'http://i/keys' is not an https:// address",
    ),
    (
        "a check that is two",
        checked({"pause": {}, "analysis": "Inline"}, analysis={"metrics": [ERRORS]}),
        "spec.rollout.blueGreen.afterSwitch[0]",
        "a check is either a pause or an analysis: make two of it",
    ),
    (
        "a check by an analysis that is not there",
        checked({"analysis": "Inline"}),
        "spec.rollout.analysis",
        "analysis and a step that runs it go together: give both or neither",
    ),
    (
        "checks without a gateway",
        with_model(rollout={"type": "BlueGreen", "blueGreen": {"beforeSwitch": [{"pause": {}}]}}),
        "spec.rollout.blueGreen",
        "checks around the switch need a gateway: add traffic.gateway, or take them out",
    ),
    (
        "blueGreen of another type",
        with_model(rollout={"blueGreen": {"standbyDuration": "5m"}}),
        "spec.rollout.blueGreen",
        "only the type BlueGreen reads blueGreen: take it out or change type",
    ),
    (
        "no way to start a pod",
        with_model(rollout={"rollingUpdate": {"maxSurge": "0%", "maxUnavailable": 0}}),
        "spec.rollout.rollingUpdate.maxSurge",
        "maxSurge 0 leaves no way to start: raise it, or let maxUnavailable be at least 1",
    ),
    (
        "a surge that is no share",
        with_model(rollout={"rollingUpdate": {"maxSurge": "lots"}}),
        "spec.rollout.rollingUpdate.maxSurge",
        "'lots' is not a share: write it like 25%, or give a number of pods",
    ),
]
# What the API server says by itself: field, its message.
BUILT_IN: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "two metrics of one name",
        analysis(metrics=[ERRORS, ERRORS]),
        "spec.rollout.analysis.metrics[1]",
        'Duplicate value: {"name":"errors"}',
    ),
    ("no model", {}, "spec.model", "Required value"),
    ("no uri", model(source={}), "spec.model.source.uri", "Required value"),
    (
        "a volume of an unknown kind",
        model(storage={"volume": "HostPath"}),
        "spec.model.storage.volume",
        'Unsupported value: "HostPath": supported values: "EmptyDir", "Ephemeral"',
    ),
    (
        "a MIG strategy of an unknown kind",
        with_model(accelerator={"mig": "1g.10gb", "migStrategy": "double"}),
        "spec.accelerator.migStrategy",
        'Unsupported value: "double": supported values: "single", "mixed"',
    ),
    (
        "a balancing of an unknown kind",
        routed(loadBalancing="Random"),
        "spec.traffic.loadBalancing",
        'Unsupported value: "Random": supported values: "LeastRequest"',
    ),
    (
        "more retries than help",
        routed(retries={"attempts": 6}),
        "spec.traffic.retries.attempts",
        "Invalid value: 6: spec.traffic.retries.attempts in body should be less than or equal to 5",
    ),
    (
        "a rate in days",
        routed(rateLimit={"requests": 1, "per": "Day"}),
        "spec.traffic.rateLimit.per",
        'Unsupported value: "Day": supported values: "Second", "Minute", "Hour"',
    ),
    (
        "keys without a Secret",
        routed(authentication={"apiKeys": {}}),
        "spec.traffic.authentication.apiKeys.secretName",
        "Required value",
    ),
    (
        "too many replicas",
        with_model(replicas=1001),
        "spec.replicas",
        "Invalid value: 1001: spec.replicas in body should be less than or equal to 1000",
    ),
    (
        "a negative limit",
        with_model(server={"resources": {"limits": {"cpu": -1}}}),
        "spec.server.resources.limits.cpu",
        "Invalid value: -1: spec.server.resources.limits.cpu in body should be greater than or equal to 0",
    ),
    (
        "an empty time",
        with_model(rollout={"fetchTimeout": ""}),
        "spec.rollout.fetchTimeout",
        'Invalid value: "": spec.rollout.fetchTimeout in body should be at least 2 chars long',
    ),
    (
        "a number as a version",
        model(version=3),
        "spec.model.version",
        'Invalid value: "integer": spec.model.version in body must be of type string: "integer"',
    ),
    (
        "one variable twice",
        with_model(server={"env": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]}),
        "spec.server.env[1]",
        'Duplicate value: {"name":"X"}',
    ),
    (
        "one tensor twice",
        golden(inputs=[TENSOR, TENSOR]),
        "spec.model.verification.requests[0].inputs[1]",
        'Duplicate value: {"name":"x"}',
    ),
    (
        "a tensor of an unknown type",
        golden(outputs=[{**TENSOR, "datatype": "FP8"}]),
        "spec.model.verification.requests[0].outputs[0].datatype",
        f'Unsupported value: "FP8": supported values: {TYPES}',
    ),
    (
        "a tensor that belongs into the bundle",
        golden(inputs=[{**TENSOR, "shape": [1025], "data": [0] * 1025}]),
        "spec.model.verification.requests[0].inputs[0].data",
        "Too many: 1025: must have at most 1024 items",
    ),
    (
        "a gateway in what is longer than the name of a namespace",
        with_model(traffic={"gateway": {"name": "public", "namespace": "g" * 64}}),
        "spec.traffic.gateway.namespace",
        "Too long: may not be more than 63 bytes",
    ),
    (
        "autoscaling without a metric",
        with_model(autoscaling={"maxReplicas": 2, "metrics": []}),
        "spec.autoscaling.metrics",
        "Invalid value: 0: spec.autoscaling.metrics in body should have at least 1 items",
    ),
]

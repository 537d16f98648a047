"""Every reason that can stand in a condition, an Event, a metric or a termination message, and what each one means.

docs/operations.md has them in tables, which `slipway.core.reference` makes from here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

LONGEST: Final = 8192
"""Characters of a message in status: a whole verdict fits, and what an API server says at length is cut."""

NOT_GRANTED: Final = "the chart's roles grant it; upgrade the chart, or add it to your own"
"""What to do about a right that the operator lacks."""
QUOTA_WORDS: Final = "exceeded quota"
"""How an API server says that a ResourceQuota is used up (plugin/pkg/admission/resourcequota/controller.go)."""


class About(StrEnum):
    """What a finding speaks of, which decides what follows from it."""

    WORLD = "World"
    """Heals without an edit: keep trying, keep saying why."""
    REVISION = "Revision"
    """Seen twice, the revision is refused until the ask changes."""


class Reason(StrEnum):
    """A word for machines. Each member declares what it speaks of, what it means to people, and what they can do.

    Both texts are Markdown of docs/operations.md: the page's tables are made from them.
    """

    about: About | None
    """None where nothing is wrong."""
    meaning: str
    what_to_do: str

    def __new__(cls, word: str, about: About | None = None, meaning: str = "", what_to_do: str = "") -> Self:
        """Make a member that is its word. The defaults are for type checkers: `Reason(word)` looks a member up."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.about, member.meaning, member.what_to_do = about, meaning, what_to_do
        return member

    # Going well
    READY = ("Ready", None, "the asked version serves", "nothing")
    RESOLVING = (
        "Resolving",
        None,
        "a Job looks at the source: is it there, its digest, size and declared tensors",
        "wait; longer than `rollout.fetchTimeout` is tried again",
    )
    STARTING = (
        "Starting",
        None,
        "pods are scheduled and fetch the bundle",
        "wait; the fetcher's log shows progress: `kubectl logs POD -c fetch`",
    )
    VERIFYING = (
        "Verifying",
        None,
        "Triton loads the model and is asked its golden requests",
        "wait; up to `server.startupTimeout`",
    )
    SHIFTING = (
        "Shifting",
        None,
        "the new version answers correctly and takes over; or a gateway is yet to take up the route to what serves",
        "wait",
    )
    ROLLOUT_STARTED = ("RolloutStarted", None, "Event: a new version starts beside the one that serves", "nothing")
    PROVING = (
        "Proving",
        None,
        "before capacity is taken away, both bundles are looked for once more",
        "wait; what the message names has to be in the store",
    )
    DRAINING = (
        "Draining",
        None,
        (
            "pods of an earlier version end their requests, before traffic is shared with the new one or, with "
            "Recreate, before it starts (`server.requestTimeout`, at least 30 s); or earlier versions that the Service "
            "spans first give back to one, because it would reach the new one's pods as well; or pods that clients "
            "have just left are where the new one's would be. As an Event: old pods stay beyond that time, because a "
            "Service that spans versions reaches them and the others lack pods; as a warning: old pods go although "
            "requests still reach them, because twice that time is up"
        ),
        "nothing; after the warning, see which clients keep connections that long",
    )
    MAKING_ROOM = (
        "MakingRoom",
        None,
        "Event: no place for a surge pod, so one old pod at a time goes first; with one replica there is a gap",
        "nothing, or add nodes and use `rollingUpdate.maxUnavailable: 0` to forbid it",
    )
    PAUSED = (
        "Paused",
        None,
        "a canary stands at a pause among its steps, or somebody asked for one by annotation",
        (
            "the message says which: a step's ends at its time, or by `promote/REVISION`; the other by "
            "`resume/REVISION`, and with both `promote/REVISION` ends both"
        ),
    )
    ANALYSIS_RUNNING = (
        "AnalysisRunning",
        None,
        (
            "the analysis of a canary, or of a blue-green change, is measuring; as a warning Event: a round failed or "
            "said nothing, within its limits"
        ),
        (
            "wait; the message has the numbers, `status.rollout.canary.analysis` the last ten measurements, and "
            "`status.analysis` those of a rollout that is over"
        ),
    )
    ANALYSIS_PASSED = (
        "AnalysisPassed",
        None,
        "Event: an analysis has passed, with the numbers of its last round",
        "nothing",
    )
    ANALYSIS_INCONCLUSIVE = (
        "AnalysisInconclusive",
        None,
        (
            "more rounds than `inconclusiveLimit` said nothing: no requests, pods or a Prometheus that cannot be "
            "asked, a query without a number"
        ),
        "read the message; `promote/REVISION` goes on without, `abort/REVISION` sends it home",
    )
    SOAKING = (
        "Soaking",
        None,
        "BlueGreen and Canary: the version that took over has all the traffic, the one before it stands by",
        "nothing",
    )
    ROLLING_BACK = ("RollingBack", None, "the version before takes its share back", "wait")
    SCALED = (
        "Scaled",
        None,
        "Event: by `autoscaling.load` the number of pods grows after it had shrunk, or the other way round",
        "nothing; `status.autoscaling` has the number and why",
    )
    PROMOTED = ("Promoted", None, "Event: the new version has taken over", "nothing")
    SIGNED = ("Signed", None, "Event: by which keys of `source.signature` a version is signed", "nothing")
    REQUEST_DONE = ("RequestDone", None, "Event: what somebody asked for by annotation was done", "nothing")
    REQUEST_IGNORED = (
        "RequestIgnored",
        None,
        "Event: a request does not fit what is there, or cannot be read",
        "name the revision that status shows; [rollouts.md](rollouts.md#requests) has the form",
    )
    SUSPENDED = (
        "Suspended",
        None,
        "`suspend: true` or `replicas: 0`: no pods are wanted",
        "set `suspend: false` when you want it back",
    )
    AVAILABLE = ("Available", None, "condition `Available`: some version answers", "nothing")
    UNAVAILABLE = (
        "Unavailable",
        None,
        "no pod of the version that serves is available",
        "look at `Ready`'s reason; `kubectl get pods -l serving.slipway.dev/model-deployment=NAME`",
    )
    # About the world
    SOURCE_UNAVAILABLE = (
        "SourceUnavailable",
        About.WORLD,
        "the store does not answer: no connection, no DNS name, or 5xx",
        "check `source.uri` and `s3.endpoint`, the store, and network policies between it and the pod's namespace",
    )
    SOURCE_DENIED = (
        "SourceDenied",
        About.WORLD,
        "the store answers 401 or 403",
        "check keys and names in the Secret `source.secretName`, and the store's policy: list and read are needed",
    )
    SOURCE_NOT_FOUND = (
        "SourceNotFound",
        About.WORLD,
        "nothing is under the address, or a file that SHA256SUMS names is missing",
        "upload the bundle, or correct `source.uri`",
    )
    FETCH_STALLED = (
        "FetchStalled",
        About.WORLD,
        "no byte came for 60 seconds, reconnecting included",
        "check the store's load and the network; the fetch resumes where it was",
    )
    FETCH_FAILED = (
        "FetchFailed",
        About.WORLD,
        "the transport failed in another way, or the fetcher ended without a word",
        "read the message; `kubectl logs POD -c fetch --previous`",
    )
    BUNDLE_TRUNCATED = (
        "BundleTruncated",
        About.WORLD,
        "a file has fewer bytes than the store promised",
        "upload the named file again",
    )
    BUNDLE_CORRUPT = (
        "BundleCorrupt",
        About.WORLD,
        "a file's SHA-256 is not what SHA256SUMS says",
        "upload the named file again, or write SHA256SUMS anew if the file is right",
    )
    SOURCE_CHANGED = (
        "SourceChanged",
        About.WORLD,
        "the bytes under the address are no longer those that the revision was made of; pods that serve are untouched",
        (
            "put the old bundle back, or ask for the new one by changing `model.version`; give each version an "
            "address of its own"
        ),
    )
    STORAGE_FULL = (
        "StorageFull",
        About.WORLD,
        "the bundle does not fit the pod's volume, or the one in memory that it is decrypted into",
        "set `model.storage.size`, or `volume: Ephemeral` for a disk of its own; the message says where it is memory",
    )
    KEY_MISSING = (
        "KeyMissing",
        About.WORLD,
        (
            "the ConfigMap of `source.signature` or the Secret of `source.decryption` is not there, holds no key that "
            "can be used, or not that of a recipient"
        ),
        "put the key that the message speaks of into it; it is looked for again by itself",
    )
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        About.WORLD,
        (
            "the kubelet cannot pull the fetcher's or the server's image, or that of a container which somebody else "
            "put into the pod: the message names it"
        ),
        "check the image's name and tag, the registry and `imagePullSecrets`",
    )
    INSUFFICIENT_CAPACITY = (
        "InsufficientCapacity",
        About.WORLD,
        (
            "no node fits a pod. The message says what the scheduler found, and which accelerators the nodes have or, "
            "of a DeviceClass, which devices there are: taken, tainted, free"
        ),
        "add or free nodes, or ask for less in `accelerator`, `server.resources` or `scheduling`",
    )
    QUEUED = (
        "Queued",
        About.WORLD,
        (
            "scheduling gates hold a pod back, such as Kueue's while its queue has no quota for it. The message names "
            "queue and gates. While a version serves it has as long as it takes: no deadline runs, and nothing is "
            "`Stalled` for it"
        ),
        (
            "nothing; or look at the queue: `kubectl get workloads`, `kubectl describe localqueue NAME`. Type Auto "
            "makes room after `rollout.unschedulableGrace` where the old version's pods are of the same queue"
        ),
    )
    DRA_MISSING = (
        "DraMissing",
        About.WORLD,
        (
            "`accelerator.deviceClass` or `anyOf` is set, and the cluster serves no resource.k8s.io/v1 (dynamic "
            "resource allocation): no pod is made, since it would start without its devices. What serves goes on"
        ),
        (
            "upgrade to Kubernetes 1.34 or later; [the operator sees it](#kinds-that-come-and-go) in 15 seconds. Or "
            "ask for an extended resource: `resourceName`, `products`, `memory`"
        ),
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        About.WORLD,
        "a ResourceQuota of the namespace refuses the pods, or another child such as the Job or a Service",
        "raise the quota or free some of it; a new version needs room beside the old one",
    )
    RESOLVE_QUEUED = (
        "ResolveQueued",
        About.WORLD,
        (
            "the resolve Job waits for its turn: as many run as the chart's `resolveJobs` allows, and namespaces with "
            "fewer come first"
        ),
        (
            "wait; if it lasts, look for resolve Jobs that do not end (`kubectl get jobs -A -l "
            "app.kubernetes.io/component=resolver`), or raise `resolveJobs`"
        ),
    )
    POD_REFUSED = (
        "PodRefused",
        About.WORLD,
        (
            "the API server refuses the pods: admission, a limit range, a missing service account or runtime class; "
            "or a queue holds the resolve Job back"
        ),
        "read the message, it is the API server's own; correct the policy or the field",
    )
    POD_NOT_STARTED = (
        "PodNotStarted",
        About.WORLD,
        (
            "a pod has a node and for half a minute no container: a volume cannot be mounted, or its network fails. "
            "The message is the kubelet's own"
        ),
        "look at the storage, the node and its network; `kubectl describe pod POD`",
    )
    POD_NOT_READY = (
        "PodNotReady",
        About.WORLD,
        (
            "the server in a pod is ready and the pod is not: a readiness gate, such as a load balancer's, is not "
            "set, or a container that somebody else put into the pod is not ready. As an Event it is no warning: "
            "gates are set some seconds late"
        ),
        "nothing at first; then look at the controller of that gate, or at the container that the message names",
    )
    SIDECAR_FAILED = (
        "SidecarFailed",
        About.WORLD,
        "a container that somebody else put into the pod, such as a mesh's proxy, does not start or keeps ending",
        "`kubectl logs POD -c CONTAINER`; correct what injects it, or switch that off with `podMetadata`",
    )
    POD_LOST = (
        "PodLost",
        About.WORLD,
        (
            "a pod was evicted, or its node is rebooted, shut down, silent or gone. With Recreate also: such a pod "
            "was told to end and nobody can tell whether it has, so nothing is stopped, or started, until it is gone"
        ),
        (
            "nothing if rare: it is replaced; otherwise look at the node's memory and disk. Where the message asks "
            "for it, delete the Node of a machine that is off, or the pod by force"
        ),
    )
    CONFIGURATION_MISSING = (
        "ConfigurationMissing",
        About.WORLD,
        "a Secret or ConfigMap that the pod names is not there",
        "create it: `source.secretName`, or what `server.env` refers to. It is picked up within two minutes",
    )
    NAME_CONFLICT = (
        "NameConflict",
        About.WORLD,
        (
            "objects of children's names exist and are not ours; they stay untouched. The message names "
            "them and counts them all"
        ),
        (
            "rename or delete these objects, or give the ModelDeployment another name. What [a "
            "backup](#backups) brought "
            "back is taken up by itself"
        ),
    )
    TOO_MUCH_STORED = (
        "TooMuchStored",
        About.WORLD,
        (
            "the objects of this namespace that are ModelDeployments, or belong to one, take more of the operator's "
            "memory than one namespace may have. Nothing is decided from a part of them: what serves is left as it is"
        ),
        "delete what is not needed; objects with Slipway's label that nobody needs first",
    )
    WRITE_FAILED = (
        "WriteFailed",
        About.WORLD,
        (
            "a child cannot be written for a reason that may pass: a webhook that is down, 5xx, a "
            "full etcd, somebody who "
            "changes it all the time. Told after 10 seconds, in the API server's words; `Stalled` after "
            "`rollout.progressDeadline`. It is tried again at least every 30 seconds, and what does "
            "not rely on it goes on"
        ),
        (
            'read the message; "field not declared in schema" means that the CRD of that kind, mostly'
            " the Gateway API's, "
            "is older than what Slipway writes"
        ),
    )
    REVISION_UNREADABLE = (
        "RevisionUnreadable",
        About.WORLD,
        (
            "a revision that should have pods has no Deployment, and its ControllerRevision was written by a later "
            "operator, or by somebody else: this operator can make none of it"
        ),
        "run the operator's version that wrote it, or a later one; or ask for another version",
    )
    WRITE_NOT_KEPT = (
        "WriteNotKept",
        About.WORLD,
        (
            "a child does not stay as it is written: the message names object, field, what was asked for and what is "
            "there; a field that was added to a route, policy, Service, NetworkPolicy, autoscaler or disruption "
            "budget was asked to be `nothing`. As an Event alone where the model is none the worse for it (a label, "
            "an image "
            "that a registry mirror "
            "rewrites). It is written again after a minute, then ever more slowly, down to every 5 "
            "minutes, and at once "
            "when somebody changes that field; what is deleted each time is made again every 10 seconds at the slowest"
        ),
        (
            "let the webhook, policy or controller that changes it leave objects with "
            "`app.kubernetes.io/managed-by: slipway` out; of `spec.replicas`: delete autoscalers of your own on that "
            "Deployment, and ask for `autoscaling` instead; or upgrade the CRD that drops the field; where a "
            "newer CRD fills one in by itself, upgrade the operator"
        ),
    )
    STATUS_NOT_WRITTEN = (
        "StatusNotWritten",
        About.WORLD,
        (
            "Event alone, since the status cannot be written, or a webhook or policy changes it on its way; nothing is "
            "done for that ModelDeployment until it can, but where only conditions, phase, ready, endpoint or selector "
            "are changed. [`slipway_status_unwritten`](#metrics) counts it"
        ),
        (
            "read the message; where it names the CRD, upgrade the chart `slipway-crds`; where it names fields, let "
            "the webhook or policy leave `modeldeployments/status` out"
        ),
    )
    FORBIDDEN = (
        "Forbidden",
        About.WORLD,
        (
            "the API server does not let the operator write a child, list what it has to see of a namespace, or read "
            "routes or policies where a gateway is asked for them. The message says which right is missing, or what "
            "else is against it; it is tried again every minute"
        ),
        (
            "upgrade the chart, whose roles grant every right that is needed, or add it to roles of your own "
            "(`rbac.create: false`)"
        ),
    )
    LOAD_UNKNOWN = (
        "LoadUnknown",
        About.WORLD,
        (
            "`autoscaling.load` is set, and more than a fifth of the pods do not say how loaded they are, or none has "
            "for 30 seconds: their number stays"
        ),
        (
            "read the message: it names a pod. A pod that was made before it could, or that a "
            "policy keeps the operator from (port 8004), says nothing: `restart/REVISION` makes new ones"
        ),
    )
    KEDA_MISSING = (
        "KedaMissing",
        About.WORLD,
        "`autoscaling.scaler` is `KEDA`, and the cluster knows no ScaledObject, or the operator may not list any",
        (
            "install KEDA 2.18 or newer; [the operator sees it](#kinds-that-come-and-go) in 15 seconds. The number of "
            "pods stays meanwhile"
        ),
    )
    KEDA_NOT_READY = (
        "KedaNotReady",
        About.WORLD,
        "KEDA does not scale, by its own words: of the ScaledObject, or of the HorizontalPodAutoscaler that it makes",
        (
            "read the message: KEDA's operator and metrics server have to run, and a ScaledObject that is paused says "
            "so. The number of pods stays meanwhile"
        ),
    )
    KEDA_FALLBACK = (
        "KedaFallback",
        About.WORLD,
        "no pod of a model tells KEDA how loaded it is: it takes none away",
        (
            "let KEDA's operator reach the models' port 8004 (`models.kedaFrom`). Triton that is silent says nothing "
            "either, nor does a pod that was made before it could: `restart/REVISION` makes new ones"
        ),
    )
    SCALED_OBJECT_STUCK = (
        "ScaledObjectStuck",
        About.WORLD,
        "a ScaledObject was deleted and stays: KEDA, which takes its finalizer off, does not",
        "start KEDA again, or take the finalizer off as the message says",
    )
    SCALER_CONFLICT = (
        "ScalerConflict",
        About.WORLD,
        "another autoscaler is on a Deployment of the model: two would fight for ever, so ours gives way",
        "delete the one that the message names; ours comes back by itself",
    )
    GATEWAY_API_MISSING = (
        "GatewayApiMissing",
        About.WORLD,
        "`traffic.gateway` is set and the cluster knows no HTTPRoute, or `traffic.grpcRoute` and it knows no GRPCRoute",
        (
            "install the Gateway API and a gateway that serves it; [the operator sees it](#kinds-that-come-and-go) in "
            "15 seconds. In the cluster the model is served meanwhile"
        ),
    )
    ENVOY_GATEWAY_MISSING = (
        "EnvoyGatewayMissing",
        About.WORLD,
        (
            "`traffic` has fields that only Envoy Gateway reads, and the cluster does not know it, or nothing of it "
            "answers for the Gateway. The message names the fields. What is routed stays as it is; with "
            "`authentication` no route is made or opened"
        ),
        "install Envoy Gateway, name a Gateway of its class, or take the fields out",
    )
    GATEWAY_NOT_FOUND = (
        "GatewayNotFound",
        About.WORLD,
        (
            "the Gateway that `traffic.gateway` names, its listener of that `sectionName`, or its GatewayClass is not "
            "there or is being deleted; where Slipway may not read them: no controller answers for the Gateway"
        ),
        "create what the message names, or correct name, namespace and sectionName",
    )
    GATEWAY_NOT_READY = (
        "GatewayNotReady",
        About.WORLD,
        (
            "the Gateway, the listener that is meant (or all that fit) or its GatewayClass says that it is not "
            "accepted, not programmed or broken, in its own words; or its controller has not answered for what was "
            "written of the route for 10 seconds"
        ),
        "correct the object that the message names, or look at the controller that it names",
    )
    ROUTE_NOT_ACCEPTED = (
        "RouteNotAccepted",
        About.WORLD,
        "the Gateway refuses the route, in its own words",
        "let a listener allow routes from this namespace and this hostname, or correct `traffic`",
    )
    ROUTE_UNRESOLVED = (
        "RouteUnresolved",
        About.WORLD,
        "the Gateway cannot resolve what the route names, in its own words",
        "read the message; with backends in other namespaces a ReferenceGrant is missing",
    )
    POLICY_NOT_ACCEPTED = (
        "PolicyNotAccepted",
        About.WORLD,
        (
            "Envoy Gateway refuses what was made of `loadBalancing`, `retries`, `rateLimit`, `maxRequestSize` or "
            "`authentication`, in its own words. No share moves; a new route with `authentication` stays closed "
            "([traffic.md](traffic.md#authentication))"
        ),
        "read the message: mostly the Secret of `apiKeys` is missing, or another policy is for the same route",
    )
    HOSTNAME_TAKEN = (
        "HostnameTaken",
        About.WORLD,
        "another route has the same hostname and path, as Envoy Gateway tells; the older one gets the requests",
        "give one of them another hostname or path prefix",
    )
    # About the revision
    SPEC_INVALID = (
        "SpecInvalid",
        About.REVISION,
        (
            "a field that only the model, the server or a child object can judge: the overlay in `model.config`, "
            "`server.args`, an inline golden request, or what is handed through to Kubernetes (affinity, autoscaling "
            "metrics); a canary whose shares would split the sequences of a model"
        ),
        "correct the field that the message names",
    )
    BUNDLE_INVALID = (
        "BundleInvalid",
        About.REVISION,
        "the bundle's layout, config.pbtxt or a golden file is wrong",
        (
            "correct the file and line that the message names, write SHA256SUMS anew, upload. [bundle.md](bundle.md) "
            "has the rules"
        ),
    )
    DIGEST_MISMATCH = (
        "DigestMismatch",
        About.REVISION,
        "SHA256SUMS is not the one that `source.digest` pins",
        "correct the digest, or upload the bundle that it belongs to",
    )
    DECRYPTION_FAILED = (
        "DecryptionFailed",
        About.REVISION,
        (
            "a file is not authentic to its last byte; or `source.decryption` is set and the bundle is not encrypted, "
            "or the other way round"
        ),
        "`slipway encrypt` the bundle anew; set or take out `source.decryption`, if that is what is wrong",
    )
    BACKEND_NOT_ALLOWED = (
        "BackendNotAllowed",
        About.REVISION,
        (
            "the chart's `models.allowedBackends` does not have the backend of config.pbtxt, or the bundle brings code "
            "of its own, such as a library, Python, `runtime` or an environment, or has no SHA256SUMS"
        ),
        "take a backend that is allowed, or have whoever administers the cluster allow it; it is looked at again",
    )
    SIGNATURE_MISSING = (
        "SignatureMissing",
        About.REVISION,
        (
            "`source.signature` asks for a signature, and the bundle has no `model.sig` beside SHA256SUMS; as an Event "
            "alone where `mode` is Warn"
        ),
        ("`slipway sign` the bundle and push `model.sig`, which changes no digest; it is looked for again by itself"),
    )
    SIGNATURE_WRONG = (
        "SignatureWrong",
        About.REVISION,
        "`model.sig` is no signature, or is not over exactly the files that SHA256SUMS lists and the list itself",
        "find out who changed the bundle; if it is right, sign it again, as its last change",
    )
    SIGNER_UNKNOWN = (
        "SignerUnknown",
        About.REVISION,
        "the bundle is signed, and not by as many keys of `source.signature` as have to",
        "let who may sign it; or add the signer's public key to the ConfigMap: that restarts nothing",
    )
    LOAD_FAILED = (
        "LoadFailed",
        About.REVISION,
        "Triton cannot load the model; the message is Triton's own",
        "correct the model or its configuration; a backend that the image lacks needs another `server.image`",
    )
    WRONG_ANSWER = (
        "WrongAnswer",
        About.REVISION,
        "a golden request was answered wrongly: request, tensor, index, expected and got are in the message",
        "correct the model or the golden answer; for honest rounding widen its `tolerance`",
    )
    BACKEND_DEAD = (
        "BackendDead",
        About.REVISION,
        "inference fails although it had answered before",
        "look at the server's log for the backend's crash: `kubectl logs POD -c triton --previous`",
    )
    CRASH_LOOP = (
        "CrashLoop",
        About.REVISION,
        "the server dies by itself; its last lines are in the message",
        "look at the server's log: `kubectl logs POD -c triton --previous`",
    )
    OUT_OF_MEMORY = (
        "OutOfMemory",
        About.REVISION,
        "the kernel killed the server for memory",
        "raise `server.resources.limits.memory`; memory of the node for big models, not only the GPU's",
    )
    ANALYSIS_FAILED = (
        "AnalysisFailed",
        About.REVISION,
        "more rounds of the analysis than `failureLimit` broke a condition; the message has share, numbers and limit",
        "correct the model; `retry/REVISION` tries the same once more",
    )
    WITHDRAWN = (
        "Withdrawn",
        About.REVISION,
        (
            "the catalogue has withdrawn these bytes: with `Block` a new ask is refused, and a rollback; what serves "
            "goes on, and condition `Withdrawn` says so"
        ),
        (
            "use the version that the message names; once the withdrawal is taken back, `retry/REVISION` tries it "
            "again: [catalogue.md](catalogue.md#withdrawals)"
        ),
    )
    FOLLOWING = ("Following", None, "condition `Following`: the alias's version is asked for", "nothing")
    PROPOSED = (
        "Proposed",
        None,
        (
            "condition `Following`: the alias means another version, which waits for a person: `update: Propose`, or "
            "three versions were refused one after another"
        ),
        "`accept/DIGEST` as the message has it; see [catalogue.md](catalogue.md#follow)",
    )
    SETTLING = (
        "Settling",
        None,
        "condition `Following`: the alias moves again and again, so its next version waits",
        "see who moves it: `status.aliases` of the RegisteredModel; `accept/DIGEST` takes the version at once",
    )
    REFUSED_BEFORE = (
        "RefusedBefore",
        About.WORLD,
        "condition `Following`: these bytes were sent home before, and are not asked for again by themselves",
        "correct the model and publish it as another version, or `retry/DIGEST` as the message has it",
    )
    NOTHING_TO_FOLLOW = (
        "NothingToFollow",
        About.WORLD,
        (
            "the alias that is followed shows no version: there is no catalogue, model, alias or published version, or "
            "none that is shared with this namespace; what was asked for stays"
        ),
        "the message says what is missing; [catalogue.md](catalogue.md#follow)",
    )
    ABORTED = (
        "Aborted",
        About.REVISION,
        "somebody sent it home by annotation",
        "`retry/REVISION`, or another manifest",
    )
    ROLLED_BACK = (
        "RolledBack",
        About.REVISION,
        "somebody went back from it by annotation; as an Event: the version before serves again",
        "`retry/REVISION` undoes it; revert the manifest to stay",
    )
    DEADLINE_EXCEEDED = (
        "DeadlineExceeded",
        About.REVISION,
        (
            "no progress within `rollout.fetchTimeout` or `rollout.progressDeadline`, or no golden answer within "
            "`server.startupTimeout`"
        ),
        "raise the one that the message names, or make the model load faster",
    )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a gate has against a revision, with the evidence quoted."""

    reason: Reason
    message: str
    about: About


def fit(words: str, longest: int = LONGEST) -> str:
    """Words as status takes them: cut where they are too long, in characters, and without the lone surrogates that JSON
    lets through and UTF-8 does not."""
    written = words.encode(errors="replace").decode()
    return written if len(written) <= longest else written[: longest - 1] + "…"


BY_A_PERSON: Final = frozenset({Reason.ABORTED, Reason.ROLLED_BACK})
"""Why somebody sent a version home: an edit beside it does not bring it back."""


def finding(reason: Reason, message: str) -> Finding:
    """A finding about whatever its reason speaks of. Its message is fit for status, whoever wrote it."""
    return Finding(reason=reason, message=fit(message), about=reason.about or About.WORLD)


def stored_finding(reason: str, message: str) -> Finding:
    """A finding out of status. An operator of another version may have known reasons that this one does not."""
    current = Reason(reason) if reason in Reason.__members__.values() else Reason.UNAVAILABLE
    return finding(current, message)

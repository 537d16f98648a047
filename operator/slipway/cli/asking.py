"""Asks a served model, with the user's rights: which pod, which requests, and what it answers.

`slipway ask` and the console's Try are this.
"""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from slipway.api.v1alpha1 import MODELS
from slipway.cli import questions
from slipway.cli.answers import Answers, Asked, asked, failed
from slipway.cli.forwarding import forwarded
from slipway.cli.kubectl import Kubectl, KubectlError
from slipway.cli.model import Model
from slipway.cli.questions import Declared
from slipway.cli.requests import NothingToAskError
from slipway.core.body import within
from slipway.core.names import HTTP_PORT, MODEL_DEPLOYMENT, SERVER_CONTAINER, of_revision
from slipway.guard import asking, golden
from slipway.guard.golden import GoldenRequest
from slipway.guard.model_config import ModelConfig
from slipway.guard.protocol import Client, Refused, TooSlow, Unreachable
from slipway.guard.wire import CannotAskError

_FILES_BYTES: Final = 32 << 20
_FILES_SECONDS: Final = 20.0
_MOST_FILES: Final = 256
"""More are not taken when a bundle is resolved: what is said instead was not read from one."""
_READ_FILES: Final = (
    "import json, os, pathlib, sys; "
    "place = pathlib.Path(os.environ.get('SLIPWAY_ROOT', '/slipway'), 'golden', *sys.argv[1:]); "
    "print(json.dumps({each.name: each.read_text('utf-8', 'replace') for each in place.glob('*.json')}))"
)
"""Python, which the guard runs by in the same container. Its arguments are folders within that of golden requests."""
_NO_FILES: Final = (
    "the bundle's golden files could not be read in the pod (it takes the right to create pods/exec): asked are those "
    "that its revision keeps, without their answers"
)
_LOCKED: Final = "the server does not say how the model is asked (server.lockedApis): asked as its revision declares it"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to ask, and whom. Neither `requests` nor `inputs`: the golden requests."""

    requests: tuple[GoldenRequest, ...] = ()
    inputs: tuple[str, ...] = ()
    """NAME=VALUE pairs that make one request."""
    revision: str | None = None
    candidate: bool = False
    seconds: float = 60
    """For all of it."""


def ask(kubectl: Kubectl, name: str, wanted: Wanted) -> Answers:
    """Ask one ready pod. KubectlError, NothingToAskError and QuestionError where there is nothing to ask it."""
    until = time.monotonic() + wanted.seconds
    body = kubectl.json("get", MODELS, name)
    model = Model.read(body, kubectl.items("pods", f"--selector={MODEL_DEPLOYMENT}={name}"))
    revision, pod = _pod(model, wanted)
    record = kubectl.json("get", "controllerrevisions.apps", of_revision(name, revision))
    remarks = list[str]()
    requests = list(wanted.requests)
    if not (requests or wanted.inputs):
        requests = golden_requests(kubectl, record, pod, remarks, seconds=until - time.monotonic())
    with forwarded(kubectl, pod, HTTP_PORT) as port:
        client = Client(port, str(within(body, "spec", "model").get("name") or name))
        if wanted.inputs:
            requests = [questions.of_inputs(wanted.inputs, _declared(client, until))]
        config = _config(client, record, until, remarks)
        answers = list(asked_in_time(client, config, requests, until))
    return Answers(
        name=name,
        namespace=model.namespace,
        version=str(within(record, "data").get("version", "-")),
        revision=revision,
        pod=pod,
        asked=answers,
        remarks=remarks,
    )


def _pod(model: Model, wanted: Wanted) -> tuple[str, str]:
    """The revision that is meant, and the pod of it that has been ready the longest."""
    status = model.status
    which, ref = ("candidate", status.candidate) if wanted.candidate else ("version that serves", status.stable)
    revision = wanted.revision or (ref.revision if ref else None)
    if revision is None:
        raise NothingToAskError(f"{model.name}: has no {which} with pods; see slipway get {model.name}")
    ready = [pod.facts.name for pod in model.pods_of(revision) if pod.facts.ready and not pod.facts.deleting]
    if not ready:
        raise NothingToAskError(f"{model.name}: revision {revision} has no pod that is ready; see slipway get")
    return revision, ready[0]


def golden_requests(
    kubectl: Kubectl, record: Any, pod: str, remarks: list[str], *, seconds: float = _FILES_SECONDS
) -> list[GoldenRequest]:
    """Those of the spec, else those of the bundle; NothingToAskError where there are none."""
    if requests := questions.of_spec(record):
        return requests
    files = golden_files(kubectl, pod, seconds=seconds)
    if files:
        return questions.of_bundle(files)
    requests = questions.without_answers(record)
    if files is None and within(record, "data").get("verification") == "bundle":
        remarks.append(_NO_FILES)
    if not requests:
        raise NothingToAskError(f"{_NO_FILES}; there are none" if remarks else _NONE)
    return requests


_NONE: Final = "the model has no golden requests: give a FILE with a request, or --input NAME=VALUE"


def golden_files(kubectl: Kubectl, pod: str, *folders: str, seconds: float = _FILES_SECONDS) -> dict[str, str] | None:
    """The bundle's golden files, as the pod has them, or those in a folder of them. None where nobody may look, or what
    comes is something else."""
    words = ("exec", pod, f"--container={SERVER_CONTAINER}", "--", "python3", "-c", _READ_FILES, *folders)
    with kubectl.start(*words) as process:
        timer = threading.Timer(min(seconds, _FILES_SECONDS), process.kill)
        timer.start()
        try:
            assert process.stdout
            said = process.stdout.read(_FILES_BYTES + 1)
        finally:
            timer.cancel()
            process.kill()
    try:
        files = json.loads(said) if len(said) <= _FILES_BYTES else None
    except (ValueError, RecursionError):
        return None
    if not (isinstance(files, dict) and all(isinstance(each, str) for each in files.values())):
        return None
    if len(files) > _MOST_FILES:
        raise NothingToAskError(
            f"{pod} says that it has {len(files)} golden files; no bundle has more than {_MOST_FILES}"
        )
    return files


def _config(client: Client, record: Any, until: float, remarks: list[str]) -> ModelConfig:
    """How the model is asked; where the server keeps that to itself, as far as the revision says it."""
    try:
        return client.config(_left(until))
    except (Refused, RecursionError):
        remarks.append(_LOCKED)
        return ModelConfig(sequences=bool(within(record, "data", "resolved", "model").get("sequences")))
    except (Unreachable, TooSlow) as error:
        raise KubectlError(f"the model's server: {error}") from None


def _declared(client: Client, until: float) -> list[Declared]:
    """Name, datatype and shape of each input, as the server has them."""
    try:
        inputs = client.metadata(_left(until))["inputs"]
        return [(str(each["name"]), str(each["datatype"]), [int(size) for size in each["shape"]]) for each in inputs]
    except (Unreachable, TooSlow, Refused) as error:
        raise KubectlError(f"the model's server: {error}") from None
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError):
        raise KubectlError("the model's server: what it says of the model's inputs cannot be read") from None


def asked_in_time(client: Client, config: ModelConfig, requests: list[GoldenRequest], until: float) -> Iterator[Asked]:
    """Each in its turn, as long as there is time."""
    for at, request in enumerate(requests):
        if time.monotonic() >= until:
            yield failed(request.name, f"not asked, {len(requests) - at} in all: the time was up (--timeout)")
            return
        yield from _asked(client, config, request, until)


def _asked(client: Client, config: ModelConfig, request: GoldenRequest, until: float) -> Iterator[Asked]:
    """Each step, up to one that has no answer."""
    answered = 0
    try:
        golden.check_askable(request, config)
        for answer in asking.ask(client, config, request, lambda: _left(until)):
            answered += 1
            yield asked(answer)
    except CannotAskError as error:
        yield failed(request.name, str(error))
    except Refused as error:
        yield failed(request.steps[answered].name, f"the server answered {error.status}: {error}")
    except (Unreachable, TooSlow) as error:
        yield failed(request.steps[answered].name, str(error))


def _left(until: float) -> float:
    """Seconds; TooSlow where there are none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TooSlow("the time is up (--timeout)")
    return seconds

"""Evaluate: how good a served model's answers to labelled rows are, by the metrics that a rollout's gate has.

evaluation = evaluate(Served(url="http://churn:8000", model="churn"), labelled.rows("test.csv", "y"), metrics=["f1"])
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx

from slipway.bundle.assemble import quiet
from slipway.bundle.errors import BundleError
from slipway.bundle.labelled import of_columns
from slipway.fetch.deadline import within
from slipway.guard import document as documents
from slipway.guard import labelled, model_config, wire
from slipway.guard.metric import METRICS
from slipway.guard.printable import printable

_TIMEOUT_SECONDS: Final = 30.0
_ERROR_CHARACTERS: Final = 300
_MOST_BYTES: Final = 256 << 20
"""Of an answer, as the guard has it."""
_WHOLE_SECONDS: Final = 120.0
"""For the whole of an answer; _TIMEOUT_SECONDS is for each piece."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model that answers the V2 protocol."""

    url: str
    """Up to what stands before `/v2`."""
    model: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Such as the one that leads to a candidate."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Metrics of one served model, or of two on the same rows."""

    dataset: str
    digest: str
    """SHA-256 of the rows."""
    rows: int
    metrics: Mapping[str, float]
    against: Mapping[str, float] | None = None

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        dataset = {"name": self.dataset, "digest": {"sha256": self.digest}, "rows": self.rows}
        document: dict[str, Any] = {"dataset": dataset, "metrics": dict(self.metrics)}
        return document if self.against is None else {**document, "against": dict(self.against)}


def evaluate(
    served: Served,
    data: labelled.Rows,
    *,
    dataset: str,
    metrics: Sequence[str] = (),
    output: str | None = None,
    against: Served | None = None,
    say: Callable[[str], None] = quiet,
) -> Evaluation:
    """Ask all rows, one request after the other. Without `metrics`: all that the answers have."""
    if unknown := [name for name in metrics if name not in METRICS]:
        raise BundleError(f"metric: no {unknown[0]!r}; there are {', '.join(METRICS)}")
    say(f"asking {served.url} {len(data.rows)} rows")
    measured = _measured(served, data, metrics, output)
    other = None
    if against:
        say(f"asking {against.url} the same")
        other = _measured(against, data, list(measured), output)
    return Evaluation(dataset=dataset, digest=data.digest, rows=len(data.rows), metrics=measured, against=other)


# -- asking


def _measured(served: Served, data: labelled.Rows, metrics: Sequence[str], output: str | None) -> dict[str, float]:
    try:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, headers=dict(served.headers)) as client:
            scores = _marked(client, served, data).scores(metrics or tuple(METRICS))
    except (labelled.LabelledError, wire.UnreadableError) as error:
        raise BundleError(printable(f"{served.url}: {error}")) from None
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
        raise BundleError(
            printable(f"{served.url}: {error or type(error).__name__}; is it the server's URL?")
        ) from None
    name = next(iter(scores), "") if output is None else output
    if name not in scores:
        raise BundleError(printable(f"output: the model has no {name!r}; it has {', '.join(scores)}"))
    values = {metric: value for metric, value in scores[name].items() if isinstance(value, float | int)}
    if missing := [f"{metric}: {scores[name][metric]}" for metric in metrics if metric not in values]:
        raise BundleError(printable(missing[0]))
    if not values:
        raise BundleError(printable(f"output {name!r}: no metric fits: {scores[name]['accuracy']}"))
    return values


def _marked(client: httpx.Client, served: Served, data: labelled.Rows) -> labelled.Marking:
    url = f"{served.url.rstrip('/')}/v2/models/{quote(served.model, safe='')}"
    config = model_config.read(documents.read(_asked(client, "GET", f"{url}/config")[1]))
    marking = labelled.Marking(config)
    for batch in labelled.batches(of_columns(data, config), config):
        body, headers = wire.infer_request(batch.inputs, {}, list(config.outputs))
        answered, content = _asked(client, "POST", f"{url}/infer", content=body, headers=headers)
        length = int(answered.get(wire.HEADER_LENGTH, len(content)))
        marking.take(batch, wire.infer_answer(content, length))
    return marking


def _asked(client: httpx.Client, method: str, url: str, **sent: Any) -> tuple[httpx.Headers, bytes]:
    """The headers and the body of an answer, which has a limit and a deadline."""

    def ask() -> tuple[int, httpx.Headers, bytes]:
        with client.stream(method, url, **sent) as response:
            return response.status_code, response.headers, _read(response)

    status, headers, content = within(_WHOLE_SECONDS, ask)
    if status != httpx.codes.OK:
        text = content.decode(errors="replace")[:_ERROR_CHARACTERS]
        raise BundleError(printable(f"{url}: answered {status}: {text}"))
    return headers, content


def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    for piece in response.iter_bytes():
        content += piece
        if len(content) > _MOST_BYTES:
            raise ValueError(f"the answer has more than {_MOST_BYTES >> 20} MiB")
    return bytes(content)

"""What an evaluation leaves: a table, a chart, and an in-toto Statement over the bundle's digest, signed or not."""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

from slipway.bundle.errors import BundleError
from slipway.bundle.evaluate import Evaluation
from slipway.guard import document as documents

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://serving.slipway.dev/evaluation/v1"
_PAYLOAD: Final = "application/vnd.in-toto+json"
LIMIT_BYTES: Final = 1 << 20
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_BAR: Final = 22


def statement(evaluation: Evaluation, digest: str, key: Path | None = None) -> bytes:
    """The Statement over a bundle's digest; with a private key in PEM form in a DSSE envelope."""
    if not DIGEST.fullmatch(digest):
        raise BundleError(f"digest: {digest!r} is not sha256: and 64 hexadecimal digits")
    subject = [{"name": "bundle", "digest": {"sha256": digest.removeprefix("sha256:")}}]
    body = {"_type": STATEMENT, "subject": subject, "predicateType": PREDICATE, "predicate": evaluation.document()}
    content = json.dumps(body, indent=2).encode()
    if key is None:
        return content + b"\n"
    envelope = Envelope(content, _PAYLOAD, {})
    try:
        envelope.sign(CryptoSigner(load_pem_private_key(key.read_bytes(), None)))
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(f"{key}: {error}; give a private EC key in PEM form, without a password") from None
    return json.dumps(envelope.to_dict(), indent=2).encode() + b"\n"


def metrics_of(file: Path, digest: str) -> list[dict[str, Any]]:
    """The metrics of a Statement over that digest, as a card has them; a BundleError for any other."""
    try:
        document = _read(file)
        subject, predicate = document["subject"], document["predicate"]
        subjects = {f"sha256:{each['digest']['sha256']}" for each in subject}
        dataset, metrics = predicate["dataset"]["name"], predicate["metrics"]
        listed = [
            {"name": str(name), "value": f"{float(value):.6g}", "dataset": str(dataset)[:128]}
            for name, value in metrics.items()
        ]
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise BundleError(f"{file}: is no Statement of slipway evaluate: {type(error).__name__}: {error}") from None
    if subjects != {digest}:
        raise BundleError(f"{file}: is about {', '.join(sorted(subjects))}, and not {digest}; evaluate this bundle")
    return listed


def _read(file: Path) -> Any:
    if file.stat().st_size > LIMIT_BYTES:
        raise ValueError(f"larger than {LIMIT_BYTES} bytes")
    document = documents.read(file.read_bytes())
    if "payload" in document:
        document = documents.read(base64.b64decode(document["payload"], validate=True))
    if document["predicateType"] != PREDICATE:
        raise ValueError(f"predicateType is {document['predicateType']!r}")
    return document


def table(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Rows of text, the heading first."""
    if evaluation.against is None:
        return [("metric", "value"), *((name, f"{value:.4g}") for name, value in evaluation.metrics.items())]
    against = evaluation.against
    rows: list[tuple[str, ...]] = [("metric", "value", "against", "difference")]
    for name, value in evaluation.metrics.items():
        rows.append((name, f"{value:.4g}", f"{against[name]:.4g}", f"{value - against[name]:+.4g}"))
    return rows


def chart(evaluation: Evaluation) -> str:
    """Bars as SVG: for each metric one, and one beside it for what it is compared with, on a scale of its own."""
    lines, top = [], 34
    for name, value in evaluation.metrics.items():
        other = (evaluation.against or {}).get(name)
        scale = max(abs(value), abs(other or 0), 1e-12)
        lines.append(_text(8, top + 15, name))
        for number, colour in ((value, "#2563eb"), (other, "#9ca3af")):
            if number is None:
                continue
            width = round(abs(number) / scale * 320)
            lines.append(f'<rect x="190" y="{top}" width="{width}" height="18" fill="{colour}"/>')
            lines.append(_text(196 + width, top + 14, f"{number:.4g}"))
            top += _BAR
        top += 8
    heading = _text(8, 20, f"{evaluation.dataset}, {evaluation.rows} rows")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="620" height="{top}" font-family="sans-serif" font-size="13">'
    )
    return "\n".join([head, heading, *lines, "</svg>", ""])


def _text(x: int, y: int, words: str) -> str:
    return f'<text x="{x}" y="{y}">{escape(words)}</text>'


def write(evaluation: Evaluation, folder: Path, content: bytes | None) -> Mapping[str, Path]:
    """The files of a report."""
    folder.mkdir(parents=True, exist_ok=True)
    heading, *rest = table(evaluation)
    lines = [heading, tuple("---" for _ in heading), *rest]
    files = {"table": folder / "report.md", "chart": folder / "report.svg"}
    files["table"].write_text(
        "\n".join(f"| {' | '.join(line)} |" for line in lines)
        + f"\n\n{evaluation.rows} rows of {evaluation.dataset} (sha256:{evaluation.digest})\n"
    )
    files["chart"].write_text(chart(evaluation))
    if content is not None:
        files["statement"] = folder / "evaluation.json"
        files["statement"].write_bytes(content)
    return files

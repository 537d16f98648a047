"""What is published, in rows. Whatever an object says is shown as plain text: anybody who may publish wrote it."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from slipway.api.v1alpha1 import MODEL_VERSION, REGISTERED_MODEL
from slipway.catalogue.cluster import Cluster, Object
from slipway.guard.printable import printable

_LONGEST: Final = 60


def listed(cluster: Cluster, *, model: str | None = None, everywhere: bool = False) -> list[dict[str, Any]]:
    """Every published version, with the aliases that mean it, newest of a model last."""
    aliases: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for each in cluster.list(REGISTERED_MODEL, everywhere=everywhere):
        meta = each["metadata"]
        for alias, version in sorted(((each.get("spec") or {}).get("aliases") or {}).items()):
            aliases[meta["namespace"], meta["name"], str(version)].append(alias)
    versions = cluster.list(MODEL_VERSION, everywhere=everywhere)
    wanted = [each for each in versions if model is None or each["spec"].get("model") == model]
    return [_row(each, aliases) for each in sorted(wanted, key=_place)]


def _place(version: Object) -> tuple[str, str, str, str]:
    meta = version["metadata"]
    created = str(meta.get("creationTimestamp"))
    return meta["namespace"], str(version["spec"].get("model")), created, meta["name"]


def _row(version: Object, aliases: dict[tuple[str, str, str], list[str]]) -> dict[str, Any]:
    spec, meta = version["spec"], version["metadata"]
    uses, withdrawn = (version.get("status") or {}).get("uses") or {}, spec.get("withdrawn") or {}
    model, name = str(spec.get("model")), str(spec.get("version"))
    return {
        "namespace": meta["namespace"],
        "model": model,
        "version": name,
        "aliases": aliases.get((meta["namespace"], model, name), []),
        "serving": uses.get("serving", 0),
        "refused": uses.get("refused", 0),
        "withdrawn": withdrawn.get("action"),
        "reason": withdrawn.get("reason"),
        "digest": spec.get("digest"),
        "sources": [each.get("uri") for each in spec.get("sources") or ()],
    }


def columns(rows: Iterable[dict[str, Any]], *, everywhere: bool) -> list[list[str]]:
    """The rows for people, with a head."""
    head = ["MODEL", "VERSION", "ALIASES", "SERVING", "REFUSED", "WITHDRAWN", "SOURCE"]
    lines = [[*(["NAMESPACE"] if everywhere else []), *head]]
    for row in rows:
        withdrawn = f"{row['withdrawn']}: {row['reason']}" if row["withdrawn"] else "-"
        cells = [
            *([row["namespace"]] if everywhere else []),
            row["model"],
            row["version"],
            ",".join(row["aliases"]) or "-",
            row["serving"],
            row["refused"],
            withdrawn,
            (row["sources"] or ["-"])[0],
        ]
        lines.append([cell_text(cell) for cell in cells])
    return lines


def cell_text(value: Any) -> str:
    """Return the text of a cell, cut where it is too long for one."""
    text = printable(str(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

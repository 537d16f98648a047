"""Aliases: the version and digest that each means now, and how it was moved.

The history is level-triggered: it holds the moves that the operator came to see. A move that was undone before it
looked, or while no operator ran, is in the API server's audit log alone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from slipway.api.v1alpha1 import RegisteredModelStatus
from slipway.api.v1alpha1.catalogue import AliasMove, AliasStatus, object_name
from slipway.core.catalogue.facts import MOST_ALIASES, AliasFacts, RegisteredModelFacts, VersionFacts
from slipway.core.reasons import fit

MOVES: Final = 10
_MESSAGE: Final = 512


def model_status(
    name: str, model: RegisteredModelFacts, versions: Mapping[str, VersionFacts], now: datetime
) -> RegisteredModelStatus:
    """The whole status of a registered model, from its published versions by their names."""
    return RegisteredModelStatus(
        observed_generation=model.generation,
        versions=len(versions),
        withdrawn=sum(each.withdrawal is not None for each in versions.values()),
        aliases=_aliases(name, model, versions, now),
    )


def _aliases(
    name: str, model: RegisteredModelFacts, versions: Mapping[str, VersionFacts], now: datetime
) -> list[AliasStatus]:
    before = {each.name: each for each in model.status.aliases}
    given = [
        _moved(before.get(alias), alias, facts, now).evolve(
            digest=versions[facts.version].digest if facts.version in versions else None,
            message=_problem(name, facts.version, versions.get(facts.version)),
        )
        for alias, facts in sorted(model.aliases.items())
    ]
    gone = [_taken_away(each, model.written_by, now) for alias, each in before.items() if alias not in model.aliases]
    latest = sorted(gone, key=lambda each: (each.moves[-1].at if each.moves else now, each.name), reverse=True)
    return sorted([*given, *latest[: MOST_ALIASES - len(given)]], key=lambda each: each.name)


def _moved(before: AliasStatus | None, alias: str, facts: AliasFacts, now: datetime) -> AliasStatus:
    """The alias with its history, one move longer where it means another version than before."""
    if before is not None and before.version == facts.version and before.moves:
        return before
    at = facts.at or now
    move = AliasMove(version=facts.version, at=at, manager=facts.manager)
    moves = [*(before.moves if before else ()), move][-MOVES:]
    return AliasStatus(name=alias, version=facts.version, since=at, moves=moves)


def _taken_away(before: AliasStatus, by: AliasFacts, now: datetime) -> AliasStatus:
    """What it meant is remembered for as long as there is room."""
    if before.version is None:
        return before
    at = by.at or now
    moves = [*before.moves, AliasMove(at=at, manager=by.manager)][-MOVES:]
    return AliasStatus(name=before.name, since=at, moves=moves)


def _problem(model: str, version: str, published: VersionFacts | None) -> str | None:
    if published is None:
        named = object_name(model, version)
        return f"version {version} is not published: create the ModelVersion {named}, or move the alias"
    if published.withdrawal is None:
        return None
    reason = published.withdrawal.reason
    instead = published.withdrawal.instead
    to = f"to {instead}" if instead else "to another version"
    return fit(f"version {version} is withdrawn: {reason}; move the alias {to}", _MESSAGE)

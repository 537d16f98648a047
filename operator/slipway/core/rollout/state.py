"""What the rollout machine remembers, what it looks at, and what it answers. All plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from slipway.api.v1alpha1.analysis import AnalysisStatus
from slipway.api.v1alpha1.status import HandledRequest, Refused, RevisionRef, RolloutStatus
from slipway.core.catalogue.facts import Withdrawal
from slipway.core.catalogue.follow import Following
from slipway.core.children.resolved import Resolved
from slipway.core.observed.evidence import Evidence, Golden
from slipway.core.observed.pods import PodFacts
from slipway.core.observed.revision import ResolveFacts, RevisionFacts
from slipway.core.observed.route import RouteFacts
from slipway.core.plan import Note
from slipway.core.reasons import Finding
from slipway.core.rollout.capacity import Side
from slipway.core.shares import NOBODY, WHOLE, Traffic, by_pods
from slipway.core.wait import NO_WAIT, Wait


@dataclass(frozen=True, kw_only=True)
class State:
    """What the machine remembers; a part of status."""

    stable: RevisionRef | None = None
    candidate: RevisionRef | None = None
    refused: Refused | None = None
    """Of what the manifest asks for."""
    also_refused: list[Refused] = field(default_factory=list)
    """The latest others that were sent home, newest last."""
    rollout: RolloutStatus | None = None
    analysis: AnalysisStatus | None = None
    """The last one, of this rollout or of one before."""
    last_number: int = 0
    requests: list[HandledRequest] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What is known of a bundle that has to be there before capacity is taken away."""

    ask: str
    version: str
    digest: str
    resolve: ResolveFacts


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the cluster says."""

    asked: str = ""
    """The manifest's ask, and its version."""
    asked_version: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where the model of an ask is."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of the bundle of an ask, as far as it is known."""
    withdrawals: Mapping[str, Withdrawal] = field(default_factory=dict)
    """Of the bundle of an ask, as the catalogue has it."""
    following: Following | None = None
    """What is asked for by following an alias."""
    blocked_before: Withdrawal | None = None
    """A withdrawal for which an older revision is not `previous`."""
    needed: int
    """Pods that carry the whole load."""
    traffic: Traffic = NOBODY
    """Who answers clients, as it was decided last: what serves, as far as anything is decided."""
    landed: bool = True
    """The root Service, and the route where there is one, can be seen to be as it was decided."""
    live_service: frozenset[str] = frozenset()
    """Of those that take part, what the root Service selects just now."""
    live_shares: Mapping[str, Fraction] = field(default_factory=dict)
    """Of those that take part, percent of the gateway's requests as the route has it just now; not rounded, so that it
    takes no pod."""
    seen_shares: Mapping[str, int] = field(default_factory=dict)
    """Of those that take part, percent of the requests that they were last seen to have: by the route, or by status
    where a hand has deleted or turned that."""
    surge: int = 1
    """Pods beyond `needed` that the type allows while versions share the traffic."""
    revisions: Mapping[str, RevisionFacts] = field(default_factory=dict)
    """Those that take part: stable, candidate, superseded."""
    superseded: tuple[str, ...] = ()
    """Former candidates with traffic, in the order in which they give up their pods."""
    draining: Mapping[str, datetime] = field(default_factory=dict)
    """Of stable and the candidate, those that no client reaches any more, and until when their pods stay."""
    standby: RevisionRef | None = None
    """The version before, with its pods."""
    previous: RevisionRef | None = None
    """The newest revision in history that is older than the stable one and asks for something else."""
    bystanders: bool = False
    """There are pods of other revisions: a Service that spans would reach them, too."""
    beside: int = 0
    """Available pods of versions that were given up and not sent home: a Service that spans reaches them meanwhile."""
    makes_room: bool = False
    """The place of an old pod would do for a new one."""
    unanswered_since: datetime | None = None
    """Since when no pod answers clients, as status says it."""
    resolve: ResolveFacts = field(default_factory=ResolveFacts)
    """Of the candidate's ask."""
    reusable: str | None = None
    """A revision of the candidate's ask that history already holds."""
    route: RouteFacts | None = None
    """The route of a gateway; None where no gateway is asked for."""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """What was seen of the candidate, by topic."""
    golden: Mapping[str, Golden] = field(default_factory=dict)
    """What the guard asks by itself, by revision."""
    proofs: tuple[Proof, ...] = ()
    """Of the candidate's bundle and of the stable one's."""
    blocked_write: Finding | None = None
    """Why a child could not be written when it was last tried."""
    sequences: tuple[str, ...] = ()
    """Versions whose model keeps state from request to request of a sequence, where shares would split those."""

    @property
    def protected(self) -> frozenset[str]:
        """Revisions that some client reaches, or may reach as far as anybody can tell."""
        live = {revision for revision, share in self.live_shares.items() if share}
        return self.traffic.reaches | self.live_service | live

    @property
    def shares(self) -> Mapping[str, int]:
        """Percent of the requests that each revision has by what was decided. Where the pods decide: as a route has it,
        and without one the same for each pod."""
        service = self.traffic.service
        if self.traffic.shares is not None:
            return self.traffic.shares
        live = {name: round(share) for name, share in self.live_shares.items() if share}
        if live and live.keys() <= service:
            return live
        carries = {name: facts.carries for name, facts in self.revisions.items() if name in service}
        return by_pods(carries) or dict.fromkeys(service, WHOLE // max(1, len(service)))

    def made(self, stable: str) -> Mapping[str, int]:
        """The `shares`, as far as they were made: nobody but `stable` has more of what was decided for one version, or
        exactly, than was seen."""
        shares = self.shares
        if self.route is None or self.landed or len(self.traffic.service) > 1:
            return shares
        others = {name: min(share, self.seen_shares.get(name, 0)) for name, share in shares.items() if name != stable}
        return {**others, stable: WHOLE - sum(others.values())}

    def all_reach(self, revision: RevisionFacts | None) -> bool:
        """Whether all clients reach one revision alone, as it was decided and as it can be seen."""
        return self.landed and revision is not None and self.traffic.reaches == {revision.revision}

    def of(self, ref: RevisionRef | None) -> RevisionFacts | None:
        """The facts of a revision, by its reference."""
        return self.revisions.get(ref.revision) if ref and ref.revision else None


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """What should be there next, of the revisions that take part."""

    counts: Mapping[str, int]
    """Pods by revision."""
    traffic: Traffic


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The machine's answer."""

    state: State
    allocation: Allocation | None = None
    """Pods and traffic of the revisions that take part."""
    jobs: frozenset[str] = frozenset()
    """Asks whose resolve Job should exist."""
    discard: frozenset[str] = frozenset()
    """Asks whose resolve Job is of a failed try, and should go."""
    resolved: Resolved | None = None
    """The source has been resolved: make a revision of it."""
    evict: tuple[PodFacts, ...] = ()
    """Pods that go wrong by themselves."""
    ends_standby: bool = False
    wait: Wait = NO_WAIT
    """What nothing goes on for, and when to look again."""
    outage_since: datetime | None = None
    """Since when no pod of what serves is available although some are wanted."""
    notes: tuple[Note, ...] = ()


def side(facts: RevisionFacts, *, expendable: bool = False) -> Side:
    """A revision as capacity sees it."""
    return Side(revision=facts.revision, count=facts.count, available=facts.available, expendable=expendable)

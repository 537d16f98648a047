"""What the version that serves takes and answers, and which models it is made of: for who writes its clients."""

from collections.abc import Iterable

from slipway.api.v1alpha1.status import ServedModel, ServedPart, ServedTensor
from slipway.core.children.pod import model_name
from slipway.core.children.resolved import ResolvedModel, Tensor
from slipway.core.desired.objects import DesiredState
from slipway.core.rollout.state import State
from slipway.core.snapshot import Snapshot


def served_model(snapshot: Snapshot, state: State, desired: DesiredState) -> ServedModel | None:
    """The stable revision's model; as it was said before where its record is lost."""
    if state.stable is None:
        return None
    live = next((each for each in desired.revisions if each.revision == state.stable.revision), None)
    if live is None or live.record is None:
        return snapshot.before.model
    model = live.record.resolved.model
    if model is None:
        return None
    return ServedModel(
        name=model_name(snapshot.owner, snapshot.spec),
        backend=model.backend,
        max_batch_size=model.max_batch_size,
        inputs=_tensors(model, model.inputs),
        outputs=_tensors(model, model.outputs),
        parts=[ServedPart(name=part.name, backend=part.backend) for part in model.parts or ()],
    )


def _tensors(model: ResolvedModel, declared: Iterable[Tensor]) -> list[ServedTensor]:
    """config.pbtxt leaves the number of rows out where the model takes batches; requests have it."""
    rows = [-1] if model.max_batch_size else []
    return [ServedTensor(name=name, datatype=datatype, shape=[*rows, *dims]) for name, datatype, dims in declared]

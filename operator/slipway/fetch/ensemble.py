"""Ensembles: each step names a model of the bundle, and tensors that fit it. Pure.

Triton says most of this too, after the fetch and the start of a pod. The rules are its own, as its core has them in
model_config_utils.cc and ensemble_utils.cc (tried on 2.51), and one more: a step keeps no state by sequence, since
nobody could tell from the ensemble's configuration that it has to be asked in sequences.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from slipway.fetch import layout
from slipway.fetch.model import Configured
from slipway.fetch.references import ENSEMBLE
from slipway.fetch.verdict import FetchError, invalid, shown
from slipway.triton import config
from slipway.triton.model_config_pb2 import ModelConfig, ModelEnsembling, ModelInput, ModelOutput

_FREE: Final = -1
_NEWEST: Final = -1
_NOT_OF_AN_ENSEMBLE: Final = ("instance_group", "optimization", "model_warmup")


def is_ensemble(model: Configured) -> bool:
    """Whether it has steps, or says that it should."""
    return model.declared["backend"] == ENSEMBLE or model.config.HasField("ensemble_scheduling")


def check(entry: Configured, parts: Mapping[str, Configured], versions: Mapping[str, Sequence[str]]) -> None:
    """BundleInvalid with the field unless every ensemble can be carried out. `versions`: that the parts serve."""
    ensembles = [model for model in (entry, *parts.values()) if is_ensemble(model)]
    steps_of = [(ensemble, _checked_steps(ensemble, parts, versions)) for ensemble in ensembles]
    for ensemble, steps in steps_of:
        _check_tensors(ensemble, steps)
        _check_flow(ensemble, steps)
        _check_decoupled(ensemble, steps)
    _check_circles({model.place: model for model in ensembles})


@dataclass(frozen=True, kw_only=True)
class _Step:
    index: int
    called: ModelEnsembling.Step
    model: Configured

    @property
    def at(self) -> str:
        """Its field, for messages."""
        return f"ensemble_scheduling.step[{self.index}]"


def _refused(model: Configured, field: str, why: str) -> FetchError:
    return invalid(f"{model.at}: {field}: {why}")


def _check_fields(ensemble: Configured) -> None:
    settings = ensemble.config
    if settings.platform != ENSEMBLE or (settings.HasField("ensemble_scheduling") and settings.backend):
        raise _refused(ensemble, "platform", f'a model with steps has platform: "{ENSEMBLE}", and no backend; write so')
    if not settings.ensemble_scheduling.step:
        raise _refused(ensemble, "ensemble_scheduling", "has no step; name the models that it asks, one a step")
    for field in _NOT_OF_AN_ENSEMBLE:
        if _is_set(settings, field):
            raise _refused(ensemble, field, "an ensemble runs nothing by itself; take it out, or into a part's")


def _is_set(settings: ModelConfig, field: str) -> bool:
    return any(descriptor.name == field for descriptor, _ in settings.ListFields())


def _checked_steps(
    ensemble: Configured, parts: Mapping[str, Configured], versions: Mapping[str, Sequence[str]]
) -> list[_Step]:
    """Its steps, each of which can be asked as it says."""
    _check_fields(ensemble)
    steps = []
    for step in _steps(ensemble, parts, versions):
        _check_model(ensemble, step)
        _check_maps(ensemble, step)
        steps.append(step)
    return steps


def _steps(
    ensemble: Configured, parts: Mapping[str, Configured], versions: Mapping[str, Sequence[str]]
) -> Iterator[_Step]:
    for index, called in enumerate(ensemble.config.ensemble_scheduling.step):
        at, name = f"ensemble_scheduling.step[{index}]", called.model_name
        if name not in parts:
            there = f"it has {shown(list(parts))}" if parts else "it has none"
            raise _refused(
                ensemble,
                f"{at}.model_name",
                f"the bundle has no model {name!r} in {layout.MODELS}/, {there}; add "
                f"{layout.place(name)}{layout.CONFIG}, or correct the name",
            )
        if called.model_version != _NEWEST and str(called.model_version) not in versions[name]:
            has = shown(list(versions[name]))
            why = f"{name!r} has no version {called.model_version} that is served, it has {has}"
            raise _refused(ensemble, f"{at}.model_version", f"{why}; write -1, which is the newest, or one of these")
        yield _Step(index=index, called=called, model=parts[name])


def _check_model(ensemble: Configured, step: _Step) -> None:
    called, mine = step.model.config, ensemble.config.max_batch_size
    if called.max_batch_size and called.max_batch_size < mine:
        raise _refused(
            ensemble,
            "max_batch_size",
            f"{mine} (the bundle's, or spec.model.config.maxBatchSize), and {step.model.at} of step[{step.index}] has "
            f"{called.max_batch_size}; no step may take less",
        )
    if step.model.way.sequences:
        raise _refused(
            step.model,
            "sequence_batching",
            f"{ensemble.at} has this model as a step, and an ensemble cannot say that it is asked in sequences; call "
            "it from a model of the python backend, or serve it by itself",
        )


def _check_maps(ensemble: Configured, step: _Step) -> None:
    """The tensors that a step names are those of its model, and none that it needs is lacking."""
    called, named = step.model.config, step.called
    for field, mapped, declared in (
        ("input_map", named.input_map, called.input),
        ("output_map", named.output_map, called.output),
    ):
        names = [tensor.name for tensor in declared]
        if not mapped:
            raise _refused(ensemble, f"{step.at}.{field}", f"is empty; {step.model.at} has {shown(names)}")
        for name in sorted(mapped):
            if name not in names:
                why = f"{step.model.at} has no {name!r}, it has {shown(names)}; correct the name"
                raise _refused(ensemble, f"{step.at}.{field}[{name}]", why)
    for tensor in called.input:
        if not tensor.optional and tensor.name not in named.input_map:
            raise _refused(
                ensemble, f"{step.at}.input_map", f"lacks {tensor.name!r}, which {step.model.at} needs; add it"
            )


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """A tensor of the ensemble, as one of those that know it declares it."""

    by: str
    datatype: str
    dims: tuple[int, ...]
    batched: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """With the batch."""
        return (_FREE, *self.dims) if self.batched else self.dims

    def fits(self, other: "_Tensor") -> bool:
        """A model without batches may say the batch itself."""
        return _agree(self.dims, other.dims) or _agree(self.shape, other.shape)


def _agree(one: Sequence[int], other: Sequence[int]) -> bool:
    return len(one) == len(other) and all(a == b or _FREE in {a, b} for a, b in zip(one, other, strict=True))


def _declared(model: Configured, tensor: ModelInput | ModelOutput, dims: Iterable[int]) -> _Tensor:
    return _Tensor(
        by=f"{model.at} ({tensor.name})",
        datatype=config.datatype(tensor.data_type),
        dims=tuple(dims),
        batched=model.config.max_batch_size > 0,
    )


def _check_tensors(ensemble: Configured, steps: Sequence[_Step]) -> None:
    """All who name a tensor of the ensemble agree on its type and shape."""
    tensors: dict[str, _Tensor] = {}
    own: list[ModelInput | ModelOutput] = [*ensemble.config.input, *ensemble.config.output]
    for tensor in own:
        dims = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
        tensors.setdefault(tensor.name, _declared(ensemble, tensor, dims))
    for step in steps:
        for field, name, inner in _mapped(step):
            first = tensors.setdefault(name, inner)
            if first.datatype != inner.datatype:
                raise _refused(
                    ensemble,
                    f"{step.at}.{field}",
                    f"{name!r} is {first.datatype} in {first.by} and {inner.datatype} in {inner.by}; make them agree",
                )
            if not first.fits(inner):
                shapes = f"has {list(first.shape)} in {first.by} and {list(inner.shape)} in {inner.by}"
                raise _refused(ensemble, f"{step.at}.{field}", f"{name!r} {shapes}; make them agree")


def _mapped(step: _Step) -> Iterator[tuple[str, str, _Tensor]]:
    """Each entry of a step's maps: its field, the ensemble's tensor, and what the step's model says of it."""
    takes, gives = step.called.input_map, step.called.output_map
    for each in step.model.config.input:
        if each.name in takes:
            yield f"input_map[{each.name}]", takes[each.name], _declared(step.model, each, each.dims)
    for tensor in step.model.config.output:
        if tensor.name in gives:
            yield f"output_map[{tensor.name}]", gives[tensor.name], _declared(step.model, tensor, tensor.dims)


def _check_flow(ensemble: Configured, steps: Sequence[_Step]) -> None:
    """Every tensor comes from one place and goes somewhere, and no step waits for ever."""
    given = {tensor.name for tensor in ensemble.config.input}
    wanted = [tensor.name for tensor in ensemble.config.output]
    produced = _produced(ensemble, steps, given)
    _check_order(ensemble, steps, given, produced)
    used = {name for step in steps for name in step.called.input_map.values()}
    if unused := sorted(given - used):
        raise _refused(ensemble, "input", f"{unused[0]!r} goes into no step; map it, or take it out")
    if lacking := [name for name in wanted if name not in produced]:
        raise _refused(ensemble, "output", f"{lacking[0]!r} comes out of no step; map it, or take it out")
    if lost := sorted(produced.keys() - used - set(wanted)):
        at = f"{produced[lost[0]].at}.output_map"
        raise _refused(ensemble, at, f"{lost[0]!r} is used by nobody, which Triton refuses; take it out")


def _produced(ensemble: Configured, steps: Sequence[_Step], given: set[str]) -> dict[str, _Step]:
    produced: dict[str, _Step] = {}
    for step in steps:
        for name in step.called.output_map.values():
            if name in produced or name in given:
                where = f"{produced[name].at} gives" if name in produced else "the ensemble's input has"
                why = f"{name!r}: {where} a tensor of that name already; choose another"
                raise _refused(ensemble, f"{step.at}.output_map", why)
            produced[name] = step
    return produced


def _check_order(ensemble: Configured, steps: Sequence[_Step], given: set[str], produced: Mapping[str, _Step]) -> None:
    ready, waiting = set(given), list(steps)
    while waiting:
        able = [step for step in waiting if ready.issuperset(step.called.input_map.values())]
        if not able:
            _refuse_waiting(ensemble, waiting, ready, produced)
        for step in able:
            ready.update(step.called.output_map.values())
            waiting.remove(step)


def _refuse_waiting(
    ensemble: Configured, waiting: Sequence[_Step], ready: set[str], produced: Mapping[str, _Step]
) -> None:
    for step in waiting:
        for name in sorted(set(step.called.input_map.values()) - ready - produced.keys()):
            why = f"{name!r} is no input of the ensemble and comes out of no step; correct the name"
            raise _refused(ensemble, f"{step.at}.input_map", why)
    numbers = ", ".join(str(step.index) for step in waiting)
    raise _refused(ensemble, "ensemble_scheduling.step", f"steps {numbers} wait for one another; break the circle")


def _check_decoupled(ensemble: Configured, steps: Sequence[_Step]) -> None:
    """Triton takes it from the steps, whatever the ensemble says: who asks has only the ensemble's own word."""
    several = [step for step in steps if step.model.way.decoupled]
    if ensemble.way.decoupled == bool(several):
        return
    field = "model_transaction_policy.decoupled"
    if several:
        raise _refused(ensemble, field, f"not set, and {several[0].model.at} of {several[0].at} is decoupled; set it")
    raise _refused(ensemble, field, "set, and none of the steps is decoupled; take it out")


def _check_circles(ensembles: Mapping[str, Configured]) -> None:
    """No ensemble is a step of itself, whether at once or by way of others."""
    called = {
        place: {layout.place(step.model_name) for step in model.config.ensemble_scheduling.step} & ensembles.keys()
        for place, model in ensembles.items()
    }
    left = dict(called)
    while done := [place for place, others in left.items() if not others & left.keys()]:
        for place in done:
            del left[place]
    if left:
        first, *others = [ensembles[place] for place in _circle(left)]
        way = f"by way of {shown([other.at for other in others])}" if others else "at once"
        raise _refused(first, "ensemble_scheduling", f"it is a step of itself, {way}; break the circle")


def _circle(called: Mapping[str, set[str]]) -> list[str]:
    """One of the circles, where everybody calls somebody."""
    path = [min(called)]
    while (following := min(called[path[-1]] & called.keys())) not in path:
        path.append(following)
    return sorted(path[path.index(following) :])

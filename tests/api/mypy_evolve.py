"""A plugin for mypy: `ApiModel.evolve` takes the fields of its model by name, each with its own type."""

from collections.abc import Callable
from itertools import takewhile
from typing import Final

from mypy.nodes import ARG_NAMED_OPT, TypeInfo, Var
from mypy.plugin import MethodSigContext, Plugin
from mypy.types import FunctionLike, Instance, Type, get_proper_type

_BASE: Final = "slipway.api.base.ApiModel"


class EvolvePlugin(Plugin):
    """See mypy's documentation of plugins."""

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        return _signature if fullname.endswith(".evolve") else None


def _signature(context: MethodSigContext) -> FunctionLike:
    receiver = get_proper_type(context.type)
    if not (isinstance(receiver, Instance) and receiver.type.has_base(_BASE)):
        return context.default_signature
    fields = _fields(receiver.type)
    return context.default_signature.copy_modified(
        arg_types=list(fields.values()), arg_kinds=[ARG_NAMED_OPT] * len(fields), arg_names=list(fields)
    )


def _fields(model: TypeInfo) -> dict[str, Type]:
    """The annotated fields of a model and of those that it is made from."""
    models = list(takewhile(lambda base: base.fullname != _BASE, model.mro))
    return {
        name: symbol.node.type
        for base in reversed(models)
        for name, symbol in base.names.items()
        if isinstance(symbol.node, Var) and symbol.node.type and not symbol.node.is_classvar and name != "model_config"
    }


def plugin(version: str) -> type[Plugin]:
    """What mypy looks for in a plugin."""
    return EvolvePlugin

"""Argo CD's resource actions, as the value that `argocd-cm` takes: `python -m tests.gitops.actions` writes it."""

from typing import Any, Final

import yaml
from lupa import lua51

from tests.gitops.rules import ARGOCD

FOLDER: Final = ARGOCD / "actions"
VALUE: Final = ARGOCD / "actions.yaml"
VERBS: Final = ("promote", "abort", "pause", "resume")
_HEAD: Final = """# For argocd-cm, under the key resource.customizations.actions.serving.slipway.dev_ModelDeployment.
# Made of actions/*.lua.
"""


class _Block(str):
    __slots__ = ()


yaml.SafeDumper.add_representer(
    _Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
)


def scripts() -> dict[str, str]:
    """The Lua of each action. They share one text, in front of which the verb stands."""
    shared = (FOLDER / "request.lua").read_text()
    return {verb: f'local verb = "{verb}"\n{shared}' for verb in VERBS}


def value() -> str:
    """What argocd-cm takes."""
    definitions = [{"name": verb, "action.lua": _Block(text)} for verb, text in scripts().items()]
    found = {"discovery.lua": _Block((FOLDER / "discovery.lua").read_text()), "definitions": definitions}
    return _HEAD + yaml.safe_dump(found, sort_keys=False, width=200)


def stored() -> Any:
    """What the file that people take has."""
    return yaml.safe_load(VALUE.read_text())


def offered(found: dict[str, Any]) -> set[str]:
    """The actions that Argo CD offers for an object."""
    said = _run(stored()["discovery.lua"], found)
    return {str(name) for name, action in said.items() if not action["disabled"]}


def acted(found: dict[str, Any], verb: str) -> str:
    """The annotation after an action."""
    (script,) = [each["action.lua"] for each in stored()["definitions"] if each["name"] == verb]
    return str(_run(script, found)["metadata"]["annotations"]["serving.slipway.dev/rollout"])


def _run(script: str, found: dict[str, Any]) -> Any:
    """As Argo CD does: Lua 5.1 with the object as the global `obj`."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    lua.globals()["obj"] = lua.table_from(found, recursive=True)
    return lua.execute(script)


if __name__ == "__main__":
    VALUE.write_text(value())

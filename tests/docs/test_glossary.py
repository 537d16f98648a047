"""One vocabulary: every class of the core stands beside its term in the glossary, or is called by Kubernetes' word."""

import ast
import re
from typing import Final

from testbed.shell import ROOT

CORE: Final = ROOT / "operator" / "slipway" / "core"
GLOSSARY: Final = ROOT / "docs" / "glossary.md"
KUBERNETES: Final = {
    "Apply": "server-side apply",
    "ClaimFacts": "ResourceClaim",
    "PodId": "Pod",
    "ClassFacts": "DeviceClass",
    "ContainerFacts": "a pod's container",
    "Delete": "the verb",
    "DeviceFacts": "a ResourceSlice's device",
    "Expression": "a node selector's requirement",
    "GatewayClassFacts": "GatewayClass",
    "GatewayFacts": "Gateway",
    "ListenerFacts": "a Gateway's listener",
    "NodeFacts": "Node",
    "Owner": "an owner reference",
    "PodFacts": "Pod",
    "PolicyFacts": "Envoy Gateway's policies",
    "RouteFacts": "HTTPRoute and GRPCRoute",
    "Scale": "the scale subresource",
    "SliceFacts": "ResourceSlice",
}
"""Classes that are called by a word which is not ours, and whose it is."""


def classes() -> dict[str, str]:
    """Every public class of the core, and the file that it is in."""
    return {
        node.name: str(path.relative_to(CORE))
        for path in sorted(CORE.rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }


def rows() -> list[list[str]]:
    """The cells of every row of the glossary."""
    lines = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "term"]


def named() -> set[str]:
    """The classes that stand beside a term."""
    return {name for row in rows() for name in re.findall(r"`(\w+)`", row[3])}


def test_each_class_stands_beside_its_term() -> None:
    strangers = classes().keys() - named() - KUBERNETES.keys()
    where = [f"{name} ({classes()[name]})" for name in sorted(strangers)]
    assert not where, "name each beside its term in docs/glossary.md, or among Kubernetes' words in this file"


def test_the_glossary_names_no_class_that_is_gone() -> None:
    gone = (named() | KUBERNETES.keys()) - classes().keys()
    assert not gone, "these are no classes of operator/slipway/core any more"
    assert not named() & KUBERNETES.keys(), "a word is ours or Kubernetes'"


def test_each_term_stands_once_and_is_explained() -> None:
    terms = [row[0] for row in rows()]
    assert len(terms) == len(set(terms))
    for row in rows():
        assert len(row) == 4, row[0]
        assert row[1].endswith("."), row[0]

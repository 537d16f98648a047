"""Every manifest against the schemas of Kubernetes: a misspelt or misplaced field is found without a cluster.

Routes and policies have theirs in CRDs: test_live.py applies them."""

from copy import deepcopy

import kubernetes_validate
import pytest

from slipway.core.names import Manifest
from tests.core.children.every import SPECS, around, of_spec

OLDEST = "1.31"
OLDEST_BY_KIND = {"ResourceClaimTemplate": "1.34"}
"""Where a kind came later: it is made only for those who ask for it."""


def check(manifest: Manifest) -> None:
    kubernetes_validate.validate(deepcopy(manifest), OLDEST_BY_KIND.get(manifest["kind"], OLDEST), strict=True)


@pytest.mark.parametrize("spec", SPECS)
def test_every_child_of_a_spec_is_what_kubernetes_takes(spec: str) -> None:
    for manifest in of_spec(spec):
        check(manifest)


@pytest.mark.parametrize("manifest", list(around()), ids=lambda manifest: manifest["kind"])
def test_every_child_around_a_workload_is_what_kubernetes_takes(manifest: Manifest) -> None:
    check(manifest)


def test_a_misplaced_field_is_found() -> None:
    manifest = next(around())

    with pytest.raises(kubernetes_validate.ValidationError):
        check({**manifest, "spec": {**manifest["spec"], "selectors": {}}})

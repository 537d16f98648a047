"""The charts bring nothing that changes what git says on its way to the API server."""

import pytest

from tests.charts.render import of_kind


@pytest.mark.parametrize("kind", ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"])
def test_no_chart_brings_a_webhook(kind: str) -> None:
    assert list(of_kind(kind)) == []
    assert list(of_kind("Deployment")), "what is looked through is rendered"

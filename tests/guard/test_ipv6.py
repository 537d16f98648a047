"""A pod whose address is of IPv6, with the real server: it is asked there, by the guard as by everybody."""

import urllib.request

import pytest
import tritonclient.grpc

from slipway.guard.protocol import Client, Unreachable
from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton


def test_a_server_on_ipv6_is_verified_and_answers_on_all_its_ports(pod: Container) -> None:
    models.linear(pod.repository)
    pod.golden(models.golden())
    pod.start(SLIPWAY_POD_IP="fd00::17")
    pod.until_verified()
    http, grpc, metrics = pod.ports
    assert Client(http, pod.model, "::1").model_ready(5)
    with pytest.raises(Unreachable):
        Client(http, pod.model, "127.0.0.1").metadata(5)
    with tritonclient.grpc.InferenceServerClient(f"[::1]:{grpc}") as client:
        assert client.is_model_ready(pod.model)
    with urllib.request.urlopen(f"http://[::1]:{metrics}/metrics", timeout=5) as answer:
        assert b"nv_inference_request_success" in answer.read()

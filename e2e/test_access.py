"""S11 and S12: models run under restricted Pod Security; clients of the Service can infer and look, never control."""

import pytest

from e2e import bundles
from e2e.space import Space
from testbed.shell import CommandError

CONTROL_BY_HTTP: tuple[tuple[str, str, object], ...] = (
    ("POST", "/v2/repository/index", {}),
    ("POST", "/v2/repository/models/line/load", {}),
    ("POST", "/v2/repository/models/line/unload", {}),
    ("POST", "/v2/trace/setting", {"trace_level": ["TIMESTAMPS"]}),
    ("POST", "/v2/logging", {"log_verbose_level": 1}),
    ("GET", "/v2/systemsharedmemory/status", None),
    ("POST", "/v2/systemsharedmemory/region/r/register", {"key": "/k", "offset": 0, "byte_size": 8}),
    ("POST", "/v2/cudasharedmemory/region/r/register", {"raw_handle": {"b64": ""}, "device_id": 0, "byte_size": 8}),
)
CONTROL_BY_GRPC: tuple[tuple[str, list[object]], ...] = (
    ("get_model_repository_index", []),
    ("load_model", ["line"]),
    ("unload_model", ["line"]),
    ("update_trace_settings", []),
    ("update_log_settings", [{"log_verbose_level": 1}]),
    ("get_system_shared_memory_status", []),
    ("register_system_shared_memory", ["r", "/k", 8]),
    ("get_cuda_shared_memory_status", []),
)
OPEN_BY_HTTP = tuple(
    ("GET", path, None)
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/line", "/v2/models/line/ready")
)
OPEN_BY_GRPC: tuple[tuple[str, list[object]], ...] = (
    ("is_server_live", []),
    ("is_model_ready", ["line"]),
    ("get_model_metadata", ["line"]),
    ("get_model_config", ["line"]),
)


def test_a_model_runs_where_restricted_pod_security_is_enforced_and_its_controls_are_locked(space: Space) -> None:
    # given: a namespace that turns an ordinary pod away
    with pytest.raises(CommandError, match="violates PodSecurity"):
        space.kubectl("run", "ordinary", "--image=none")

    # when
    space.apply("line", space.upload("1", bundles.linear()))

    # then: the model runs there
    space.until_ready("line")
    host = space.host("line")

    # and: nobody who reaches its Service can control the server
    for (status, text), (method, path, _) in zip(
        space.client.http(host, *CONTROL_BY_HTTP), CONTROL_BY_HTTP, strict=True
    ):
        assert (status, "restricted" in text) == (403, True), f"{method} {path}: {status} {text}"
    for error, (method, _) in zip(space.client.grpc(host, *CONTROL_BY_GRPC), CONTROL_BY_GRPC, strict=True):
        assert "restricted" in error, f"{method}: {error or 'was done'}"

    # and: everybody can ask whether it is well, what it takes, and for answers
    assert {status for status, _ in space.client.http(host, *OPEN_BY_HTTP)} == {200}
    assert set(space.client.grpc(host, *OPEN_BY_GRPC)) == {""}
    for protocol in ("http", "grpc"):
        assert space.client.infer(protocol, host, "line", x=[[3.0]]) == {"y": [[7.0]]}

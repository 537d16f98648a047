"""S5: what the store does wrong has its reason and heals in the store alone; changed bytes harm no pod that serves."""

from typing import Final

from e2e import bundles
from e2e.space import CREDENTIALS, Space

HEALED_SECONDS: Final = 300
"""The kubelet tries a mount again within two minutes."""


def test_a_corrupt_file_is_named_and_putting_it_right_in_the_store_is_enough(space: Space) -> None:
    # given: a bundle whose model was damaged on its way into the store
    whole = bundles.linear()
    damaged = whole["1/model.onnx"][:-1] + b"\0"
    uri = space.upload("1", {**whole, "1/model.onnx": damaged})

    # when: it is asked for
    space.apply("line", uri)

    # then: the file is named, and Triton never saw it
    said = space.until_reason("line", "BundleCorrupt")
    assert "1/model.onnx" in said
    assert "SHA256SUMS" in said
    generation = space.model("line")["metadata"]["generation"]
    assert not any(status.get("started") for pod in space.pods("line") for status in pod["status"]["containerStatuses"])

    # when: the file is put right, and nothing else is done
    space.upload("1", whole)

    # then: it serves
    space.until_ready("line")
    assert space.model("line")["metadata"]["generation"] == generation
    assert space.client.infer("http", space.host("line"), "line", x=[[4.0]]) == {"y": [[9.0]]}


def test_bytes_replaced_under_the_same_address_stop_new_pods_and_no_pod_that_serves(space: Space) -> None:
    # given: a model that serves
    first = bundles.linear()
    space.apply("line", space.upload("1", first))
    space.until_ready("line")
    serving = space.pod("line")["metadata"]["uid"]

    # when: another bundle is put under its address, and one more pod is asked for
    space.upload("1", bundles.linear(slope=5))
    space.kubectl("scale", "modeldeployment/line", "--replicas=2")

    # then: the new pod refuses those bytes, and the old one answers as it did
    said = space.until("SourceChanged is said", lambda: _fetch_said(space, "SourceChanged"))
    assert "SHA256SUMS" in said
    space.until("status says SourceChanged", lambda: space.ready("line").get("reason") == "SourceChanged")
    assert serving in [pod["metadata"]["uid"] for pod in space.pods("line")]
    assert space.client.infer("grpc", space.host("line"), "line", x=[[3.0]]) == {"y": [[7.0]]}

    # when: the old bundle is put back; then: the second pod comes up by itself
    space.upload("1", first)
    space.until("two pods are available", lambda: space.model("line")["status"]["ready"] == "2/2")


def test_a_store_that_is_down_is_waited_for(space: Space) -> None:
    # given: a store of its own, which is down
    own = space.with_own_store()
    own.store.stop()

    # when: a model in it is asked for
    own.apply("line", f"s3://models/{space.namespace}/1")

    # then: the wait has its reason, and the address that was asked for
    said = space.until_reason("line", "SourceUnavailable")
    assert f"s3://models/{space.namespace}/1" in said

    # when: the store is back, with the bundle; then: the model serves
    own.store.start()
    own.upload("1", bundles.linear())
    space.until_ready("line")


def test_a_secret_that_is_not_there_is_named_and_creating_it_is_enough(space: Space) -> None:
    # given: a namespace where nobody has made the Secret that the manifest names
    space.kubectl("delete", "secret", CREDENTIALS)

    # when: a model is asked for
    space.apply("line", space.upload("1", bundles.linear()))

    # then: the wait has its reason, in the kubelet's own words, and nothing is at fault but the world
    said = space.until_reason("line", "ConfigurationMissing")
    assert f'secret "{CREDENTIALS}" not found' in said
    assert "source.secretName" in said
    assert space.model("line")["status"]["phase"] == "Waiting"

    # when: it is made; then: the model serves
    space.kubectl.apply(space.credentials)
    space.until_ready("line", seconds=HEALED_SECONDS)
    assert space.client.infer("http", space.host("line"), "line", x=[[4.0]]) == {"y": [[9.0]]}

    # when: it goes again, and one more pod is asked for; then: that wait has the same reason, and the first pod serves
    space.kubectl("delete", "secret", CREDENTIALS)
    space.kubectl("scale", "modeldeployment/line", "--replicas=2")
    space.until("status names the Secret", lambda: space.ready("line").get("reason") == "ConfigurationMissing")
    assert space.client.infer("grpc", space.host("line"), "line", x=[[3.0]]) == {"y": [[7.0]]}


def _fetch_said(space: Space, reason: str) -> str:
    """What a fetcher that ended with this reason wrote."""
    for pod in space.pods("line"):
        for status in pod["status"].get("initContainerStatuses", []):
            for state in (status["state"], status["lastState"]):
                message = str(state.get("terminated", {}).get("message", ""))
                if f'"{reason}"' in message:
                    return message
    return ""

from slipway.cli.awaited import awaited
from tests.cli.scenes import scene_of, starting


def test_a_queue_is_awaited_for_as_long_as_it_takes() -> None:
    cluster = starting()
    name = cluster.revision_named("4")
    for number, pod in enumerate(cluster.pods.values()):
        if pod["metadata"]["name"].startswith(name) and number:
            pod["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]
            for condition in pod["status"]["conditions"]:
                if condition["type"] == "PodScheduled":
                    condition |= {"status": "False", "reason": "SchedulingGated"}
    cluster.pass_time(days=2)
    cluster.settle()

    found = awaited(scene_of(cluster).model)

    assert found is not None
    assert found.what == "the queue to let its pods go"
    assert found.until is None

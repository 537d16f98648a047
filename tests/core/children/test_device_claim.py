from typing import Any

import pytest

from slipway.api.v1alpha1.spec import Accelerator
from slipway.core.children.device_claim import resource_claim_template
from slipway.core.children.revision import RevisionRecord, controller_revision, render
from slipway.core.identity import ask
from slipway.core.names import Manifest
from tests.core.gen import md_spec, owner, platform, resolved

H100 = "device.attributes['gpu.nvidia.com'].productName.contains('H100')"


def made(**spec: Any) -> RevisionRecord:
    asked = md_spec(**spec)
    return render(owner=owner(), spec=asked, ask=ask(asked), resolved=resolved(), platform=platform())


def children(record: RevisionRecord) -> dict[str, Manifest]:
    return {child["kind"]: child for child in record.children}


REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a class": (
        {"deviceClass": "gpu.nvidia.com"},
        {"exactly": {"deviceClassName": "gpu.nvidia.com", "allocationMode": "ExactCount", "count": 1}},
    ),
    "some of a class": (
        {"deviceClass": "gpu.nvidia.com", "count": 2, "selectors": [H100, "true"]},
        {
            "exactly": {
                "deviceClassName": "gpu.nvidia.com",
                "allocationMode": "ExactCount",
                "count": 2,
                "selectors": [{"cel": {"expression": H100}}, {"cel": {"expression": "true"}}],
            }
        },
    ),
    "the first that can be had": (
        {"anyOf": [{"deviceClass": "gpu.nvidia.com"}, {"deviceClass": "mig.nvidia.com", "count": 2}]},
        {
            "firstAvailable": [
                {
                    "name": "choice-1",
                    "deviceClassName": "gpu.nvidia.com",
                    "allocationMode": "ExactCount",
                    "count": 1,
                },
                {
                    "name": "choice-2",
                    "deviceClassName": "mig.nvidia.com",
                    "allocationMode": "ExactCount",
                    "count": 2,
                },
            ]
        },
    ),
}


@pytest.mark.parametrize(("asked", "request_"), REQUESTS.values(), ids=REQUESTS)
def test_what_is_asked_is_one_request_of_a_claim(asked: dict[str, Any], request_: dict[str, Any]) -> None:
    accelerator = Accelerator.model_validate(asked)
    template = resource_claim_template(owner=owner(), accelerator=accelerator, revision="aaaa1111")
    assert template["metadata"]["name"] == "churn-aaaa1111"
    assert template["spec"]["metadata"]["labels"] == template["metadata"]["labels"]
    assert template["spec"]["spec"] == {"devices": {"requests": [{"name": "accelerator", **request_}]}}


def test_a_pod_claims_by_its_revisions_own_template_and_asks_for_no_extended_resource() -> None:
    record = made(accelerator={"deviceClass": "gpu.nvidia.com"})
    pod = children(record)["Deployment"]["spec"]["template"]["spec"]
    template = children(record)["ResourceClaimTemplate"]["metadata"]["name"]
    (server,) = pod["containers"]
    assert pod["resourceClaims"] == [{"name": "accelerator", "resourceClaimTemplateName": template}]
    assert server["resources"]["claims"] == [{"name": "accelerator"}]
    assert not any("/" in name for name in server["resources"]["limits"])
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert "affinity" not in pod
    assert "claims" not in pod["initContainers"][0]["resources"]


def test_who_asks_another_class_tolerates_no_taint_of_nvidias() -> None:
    record = made(accelerator={"deviceClass": "gpu.example.com"})
    assert "tolerations" not in children(record)["Deployment"]["spec"]["template"]["spec"]


def test_memory_of_the_pod_is_that_of_the_most_devices_that_it_may_get() -> None:
    asks = ({"count": 4, "deviceClass": "g"}, {"anyOf": [{"deviceClass": "g"}, {"deviceClass": "m", "count": 4}]})
    exact, either = (children(made(accelerator=ask))["Deployment"]["spec"]["template"]["spec"] for ask in asks)
    assert [v for v in exact["volumes"] if v["name"] == "shm"] == [v for v in either["volumes"] if v["name"] == "shm"]
    assert exact["terminationGracePeriodSeconds"] == either["terminationGracePeriodSeconds"]


def test_a_revision_with_a_claim_is_stored_in_a_format_of_its_own_and_every_other_as_before() -> None:
    claims, others = made(accelerator={"deviceClass": "gpu.nvidia.com"}), [made(), made(accelerator={})]
    stored = controller_revision(claims, owner=owner(), number=1)
    assert stored["data"]["format"] == 2
    assert RevisionRecord.from_controller_revision(stored) == claims
    for other in others:
        assert controller_revision(other, owner=owner(), number=1)["data"]["format"] == 1
        assert set(children(other)) == {"ConfigMap", "Service", "Deployment"}


def test_the_scheduler_and_a_queues_labels_are_the_pods() -> None:
    labels = {"kueue.x-k8s.io/queue-name": "serving", "kueue.x-k8s.io/priority-class": "high"}
    record = made(scheduling={"schedulerName": "kai-scheduler"}, podMetadata={"labels": labels})
    template = children(record)["Deployment"]["spec"]["template"]
    assert template["spec"]["schedulerName"] == "kai-scheduler"
    assert labels.items() <= template["metadata"]["labels"].items()
    assert "schedulerName" not in children(made())["Deployment"]["spec"]["template"]["spec"]

"""The pod that `slipway fit` makes: like those of a revision to everybody but the operator."""

from slipway.cli.extra_pod import manifest
from slipway.core.names import COMPONENT, MANAGED_BY, MODEL_DEPLOYMENT, REVISION


def test_it_stands_in_the_queue_of_its_user_and_is_none_of_the_revisions_pods() -> None:
    queue = {"kueue.x-k8s.io/queue-name": "gpus"}
    marks = {**queue, REVISION: "11111111", MODEL_DEPLOYMENT: "churn", COMPONENT: "server", MANAGED_BY: "slipway"}
    deployment = {"spec": {"template": {"metadata": {"labels": marks}, "spec": {"containers": []}}}}
    pod = manifest({"metadata": {"name": "churn", "uid": "u"}}, deployment, seconds=60)
    labels = pod["metadata"]["labels"]
    assert queue.items() <= labels.items()
    assert REVISION not in labels
    assert (labels[COMPONENT], labels[MANAGED_BY], labels[MODEL_DEPLOYMENT]) == ("fit", "slipway-cli", "churn")

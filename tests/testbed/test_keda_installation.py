"""KEDA's manifests in their order."""

from testbed.keda.installation import apart

OPERATOR = "kind: Deployment\nmetadata: {name: keda-operator}"
MENTION = "kind: ClusterRole\nrules:\n- resources: [apiservices]\n  # of\n  kind: APIService"
API = "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: v1beta1.external.metrics.k8s.io}"


def test_the_apiservice_is_applied_by_itself_wherever_it_stands_and_nothing_is_lost() -> None:
    for documents in ([API, OPERATOR, MENTION], [OPERATOR, API, MENTION], [OPERATOR, MENTION, API]):
        programs, api = apart("\n---\n".join(documents))
        assert programs.split("\n---\n") == [OPERATOR, MENTION]
        assert api == API

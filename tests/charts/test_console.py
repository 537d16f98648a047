"""The console in the cluster, as the chart renders it: off by default, and without a right to write anything."""

import pytest

from testbed.shell import CommandError
from tests.charts.render import Manifest, objects, table, text

ON = "console.enabled=true"
PROXIED = (ON, "console.proxy.secretName=proxy")
READS = {
    f"serving.slipway.dev/{kind}": "list watch" for kind in ("modeldeployments", "registeredmodels", "modelversions")
}
REVIEWS = {"authorization.k8s.io/subjectaccessreviews": "create"}


def own(*values: str) -> list[Manifest]:
    """What the console adds."""
    without = {(each["kind"], each["metadata"]["name"]) for each in objects(*(v for v in values if v != ON))}
    found = objects(*values)
    return [each for each in found if (each["kind"], each["metadata"]["name"]) not in without]


def rights(*values: str) -> dict[str, dict[str, str]]:
    """By role, and its namespace."""
    roles = (each for each in own(*values) if each["kind"] in ("Role", "ClusterRole"))
    return {each["metadata"].get("namespace", ""): table(each) for each in roles}


def one(kind: str, *values: str) -> Manifest:
    (found,) = (each for each in own(*values) if each["kind"] == kind)
    return found


def test_it_is_off_until_somebody_asks_for_it() -> None:
    assert "slipway-console" not in text("slipway")
    assert text("slipway", "console=null") == text("slipway")


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ((ON,), {"": READS}),
        (PROXIED, {"": READS | REVIEWS}),
        ((ON, "namespaces={red,blue}"), {"red": READS, "blue": READS}),
        ((*PROXIED, "namespaces={red}"), {"": REVIEWS, "red": READS}),
        ((ON, "rbac.create=false"), {}),
    ],
)
def test_its_account_lists_three_kinds_and_writes_nothing(values: tuple[str, ...], wanted: dict[str, object]) -> None:
    assert rights(*values) == wanted
    for binding in (each for each in own(*values) if each["kind"].endswith("Binding")):
        assert [each["name"] for each in binding["subjects"]] == ["slipway-console"]
    pod = one("Deployment", *values)["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "slipway-console"


def test_nothing_of_the_operators_selects_its_pods() -> None:
    labels = one("Deployment", ON)["spec"]["template"]["metadata"]["labels"]
    for each in objects(ON):
        if each in own(ON) or each["kind"] not in ("Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"):
            continue
        selector = each["spec"].get("selector") or each["spec"]["podSelector"]
        assert not selector.get("matchLabels", selector).items() <= labels.items(), each["metadata"]


def test_nobody_reaches_it_but_who_is_named() -> None:
    policy = one("NetworkPolicy", ON)["spec"]
    pod = one("Deployment", ON)["spec"]["template"]
    assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert (policy["policyTypes"], "ingress" in policy) == (["Ingress"], False)
    (rule,) = one("NetworkPolicy", ON, "console.allowFrom[0].podSelector.matchLabels.app=proxy")["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "proxy"}}}]
    assert [each["port"] for each in rule["ports"]] == [pod["spec"]["containers"][0]["ports"][0]["containerPort"]]


def test_the_proxys_token_is_a_file_of_the_secret_that_is_named() -> None:
    pod = one("Deployment", *PROXIED)["spec"]["template"]["spec"]
    environment = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    mount, volume = pod["containers"][0]["volumeMounts"][0], pod["volumes"][0]
    assert environment["SLIPWAY_CONSOLE_PROXY_TOKEN"] == f"{mount['mountPath']}/{volume['secret']['items'][0]['path']}"
    assert volume["secret"]["secretName"] == "proxy"
    assert "volumes" not in one("Deployment", ON)["spec"]["template"]["spec"]


def test_its_pod_is_restricted() -> None:
    pod = one("Deployment", *PROXIED)["spec"]["template"]["spec"]
    security = pod["containers"][0]["securityContext"]
    assert (pod["securityContext"]["runAsNonRoot"], security["readOnlyRootFilesystem"]) == (True, True)
    assert (security["allowPrivilegeEscalation"], security["capabilities"]) == (False, {"drop": ["ALL"]})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("console.proxy.userHeader=a b", "userHeader"),
        ("console.enable=true", "enable"),
        ("console.replicas=-1", "replicas"),
    ],
)
def test_a_wrong_value_is_refused_by_name(value: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        text("slipway", ON, value)

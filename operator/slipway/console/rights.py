"""What whoever looks may do, by the API server's own word."""

import time
from typing import Final, NamedTuple

from slipway.api.v1alpha1 import GROUP, PLURAL
from slipway.console.api_server import ApiError, ApiServer

_KEPT_SECONDS: Final = 60.0
_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Resource(NamedTuple):
    """What may be acted on, as a review names it."""

    group: str
    resource: str
    subresource: str = ""


DEPLOYMENTS: Final = Resource(GROUP, PLURAL)
PORTS: Final = Resource("", "pods", "portforward")


class Rights:
    """Answers are kept for a minute: a button that is there too long is refused by the API server itself."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._answers: dict[tuple[str, str, Resource, str], tuple[float, bool]] = {}

    async def may(self, verb: str, namespace: str, resource: Resource = DEPLOYMENTS, name: str = "") -> bool:
        """Whether they may do that there, to the one of that name or to all. False where nobody answers."""
        asked, now = (verb, namespace, resource, name), time.monotonic()
        at, answer = self._answers.get(asked, (float("-inf"), False))
        if now - at > _KEPT_SECONDS:
            answer = await self._ask(*asked)
            self._answers[asked] = (now, answer)
        return answer

    async def _ask(self, verb: str, namespace: str, resource: Resource, name: str) -> bool:
        attributes = {"verb": verb, "namespace": namespace, **resource._asdict(), **({"name": name} if name else {})}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        try:
            review = await self._api.post(_REVIEWS, body)
        except ApiError:
            return False
        return bool((review.get("status") or {}).get("allowed"))

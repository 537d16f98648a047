"""Queries to a Prometheus. Every query ends in a Reading: a number, or in words why there is none.

The address is the user's, so nothing of an answer is repeated but a number, or what a Prometheus says is wrong with
the words of the query; of what fails on the way there only the kind of failure is. Redirects are not followed, and no
credentials are sent.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import orjson

from slipway.controller.http import AnswerTooLargeError, read_bounded
from slipway.core.observed.evidence import Reading
from slipway.core.reasons import fit

TIMEOUT_SECONDS: Final = 10
_LARGEST_BYTES: Final = 64 * 1024
_LONGEST: Final = 200
_OF_THE_QUERY: Final = "bad_data"
_ERROR_TYPES: Final = frozenset(
    {"timeout", "canceled", "execution", "internal", "unavailable", "not_found", "not_acceptable"}
)
"""Of Prometheus' API; their words may tell of more than the query."""


async def instant_query(session: aiohttp.ClientSession, address: str, query: str) -> Reading:
    """Send one instant query."""
    url = f"{address.rstrip('/')}/api/v1/query"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with session.get(url, params={"query": query}, timeout=timeout, allow_redirects=False) as response:
            return _reading(response.status, await read_bounded(response, _LARGEST_BYTES))
    except TimeoutError:
        return Reading(trouble=f"Prometheus gave no answer within {TIMEOUT_SECONDS} s")
    except AnswerTooLargeError:
        return Reading(trouble="the query gives too many series to read: make it one, with sum() for example")
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: no URL can be made of the address
        return Reading(trouble=f"Prometheus cannot be reached: {_kind_of(error)}")


def _kind_of(error: Exception) -> str:
    """What failed. Its words may be those of whatever listens there."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "no such host"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "its certificate is not trusted, or it speaks no TLS"
        case aiohttp.ClientConnectorError():
            return os.strerror(error.os_error.errno) if error.os_error.errno else "nothing listens there"
        case aiohttp.InvalidURL() | ValueError():
            return "that is no address"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | OSError():
            return "the connection was closed"
    return "what listens there does not speak HTTP"


def _reading(status: int, body: bytes) -> Reading:
    try:
        answer: Mapping[str, Any] = orjson.loads(body)
        if answer["status"] == "success":
            return _value(answer["data"]["resultType"], answer["data"]["result"])
        if answer["errorType"] != _OF_THE_QUERY:
            kind = answer["errorType"] if answer["errorType"] in _ERROR_TYPES else "an error of its own"
            return Reading(trouble=f"Prometheus cannot answer the query ({kind}, HTTP {status})")
        return Reading(trouble=f"Prometheus refuses the query ({_OF_THE_QUERY}): {fit(str(answer['error']), _LONGEST)}")
    # The boundary to a server that a user names: whatever its bytes bring about, it is no number.
    except Exception:  # noqa: BLE001
        return Reading(trouble=f"what listens there does not answer as a Prometheus does (HTTP {status})")


def _value(kind: str, result: Any) -> Reading:
    if kind == "scalar":
        return Reading(value=float(result[1]))
    if kind != "vector":
        result_type = {"string": "text", "matrix": "a range of values"}.get(kind, "something else")
        return Reading(trouble=f"the query gives {result_type}, not one number")
    if not result:
        return Reading(trouble="the query gives no series: nothing matches it yet, or its labels are wrong")
    if len(result) > 1:
        return Reading(trouble=f"the query gives {len(result)} series: make it one, with sum() for example")
    return Reading(value=float(result[0]["value"][1]))

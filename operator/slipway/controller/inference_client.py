"""Inference requests to single pods, for the comparison of answers: binary tensors, as the guard sends.

Every request ends in an Answer: tensors, or in words why there are none.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from slipway.controller.http import AnswerTooLargeError, host_of, read_bounded
from slipway.core.analysis.look import Target
from slipway.core.names import HTTP_PORT
from slipway.core.observed.evidence import Answer, Output
from slipway.core.reasons import fit
from slipway.guard import golden, tensors

_LENGTH: Final = "Inference-Header-Content-Length"
_LARGEST_BYTES: Final = 256 * 1024
"""Of an answer: its elements are compared one by one, in Python."""
_LONGEST: Final = 200


def encode_request(request: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Make body and headers of a V2 request. The message of its ValueError names the field that does not fit."""
    inputs = golden.parse_tensors(request, "inputs")
    raws = [tensors.encode(tensor.datatype, tensor.data) for tensor in inputs]
    described = [
        {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": tensor.shape,
            "parameters": {"binary_data_size": len(raw)},
        }
        for tensor, raw in zip(inputs, raws, strict=True)
    ]
    header = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
    return header + b"".join(raws), {"Content-Type": "application/octet-stream", _LENGTH: str(len(header))}


async def infer(
    session: aiohttp.ClientSession,
    target: Target,
    model: str,
    request: tuple[bytes, dict[str, str]],
    *,
    timeout_seconds: float,
    port: int = HTTP_PORT,
) -> Answer:
    """Send one inference request to one pod."""
    url = f"http://{host_of(target.ip)}:{port}/v2/models/{quote(model, safe='')}/infer"
    body, headers = request
    timeout = aiohttp.ClientTimeout(total=timeout_seconds)
    try:
        async with session.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False) as response:
            content = await read_bounded(response, _LARGEST_BYTES)
            if response.status != 200:
                trouble = f"answered {response.status}: {_error(content)}"
                return Answer(pod=target.name, status=response.status, trouble=trouble)
            header = int(response.headers.get(_LENGTH, len(content)))
            return Answer(pod=target.name, outputs=await asyncio.to_thread(_outputs, content, header))
    except TimeoutError:
        trouble = f"no answer within {timeout_seconds:g} s"
    except AnswerTooLargeError:
        trouble = f"its answer is larger than {_LARGEST_BYTES // 1024} KiB: compare smaller ones"
    except (aiohttp.ClientError, OSError) as error:
        trouble = f"cannot be reached: {_plain(str(error)) or type(error).__name__}"
    # The boundary to a server that anybody may have written: whatever its bytes bring about is its answer's fault.
    except Exception as error:  # noqa: BLE001
        trouble = f"its answer cannot be read: {_plain(str(error)) or type(error).__name__}"
    return Answer(pod=target.name, status=0, trouble=trouble)


def _outputs(content: bytes, header: int) -> tuple[Output, ...]:
    offset, outputs = header, []
    for described in json.loads(content[:header])["outputs"]:
        size = described["parameters"]["binary_data_size"]
        data = tensors.decode(described["datatype"], content[offset : offset + size])
        name, shape = _plain(str(described["name"])), tuple(int(length) for length in described["shape"])
        outputs.append(Output(name=name, datatype=described["datatype"], shape=shape, data=data))
        offset += size
    return tuple(outputs)


def _error(content: bytes) -> str:
    try:
        return _plain(str(json.loads(content)["error"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return content[:_LONGEST].decode(errors="replace").strip() or "no reason given"


def _plain(words: str) -> str:
    return fit(words, _LONGEST)

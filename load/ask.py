"""Ask a model once: a question as JSON on standard input, the answer as JSON on standard output.

{"call": "infer", "protocol": "http" | "grpc", "host": …, "model": …, "inputs": {name: nested lists of floats}} gives
{name: nested lists}; {"call": "http", "host": …, "gateway": HOST:PORT or "", "headers": {…}, "method": …, "path": …,
"body": …} gives {"status": …, "text": …}; {"call": "grpc", "host": …, "gateway": HOST:PORT or "", "method": …,
"arguments": […]}, a method of Triton's gRPC client, gives {"error": …}.
"""

import http.client
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

PORTS = {"http": 8000, "grpc": 8001}
LIBRARIES = {"http": tritonclient.http, "grpc": tritonclient.grpc}
SECONDS = 10


def infer(protocol: str, host: str, model: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """What the model answers, by Triton's own client."""
    library = LIBRARIES[protocol]
    tensors = []
    for name, value in inputs.items():
        array = numpy.array(value, numpy.float32)
        tensor = library.InferInput(name, array.shape, "FP32")
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    with library.InferenceServerClient(f"{host}:{PORTS[protocol]}") as client:
        answer = client.infer(model, tensors)
    given = answer.get_response()
    names = [o["name"] for o in given["outputs"]] if protocol == "http" else [o.name for o in given.outputs]
    return {name: answer.as_numpy(name).tolist() for name in names}


def plain(host: str, gateway: str, headers: dict[str, str], method: str, path: str, body: object) -> dict[str, Any]:
    """One HTTP request as it is, to the host itself or by a gateway."""
    connection = http.client.HTTPConnection(gateway or f"{host}:{PORTS['http']}", timeout=SECONDS)
    names = {**headers, "Host": host} if gateway else headers
    connection.request(method, path, None if body is None else json.dumps(body), names)
    response = connection.getresponse()
    return {"status": response.status, "text": response.read().decode()}


def control(host: str, gateway: str, method: str, arguments: list[Any]) -> dict[str, str]:
    """One call of Triton's gRPC client, to the host itself or by a gateway; its error, empty when there was none."""
    asked = {"channel_args": [("grpc.default_authority", host)]} if gateway else {}
    with tritonclient.grpc.InferenceServerClient(gateway or f"{host}:{PORTS['grpc']}", **asked) as client:
        try:
            getattr(client, method)(*arguments)
        except InferenceServerException as error:
            return {"error": str(error)}
    return {"error": ""}


CALLS: dict[str, Callable[..., dict[str, Any]]] = {"infer": infer, "http": plain, "grpc": control}


def main() -> None:
    """Answer every line of standard input."""
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(CALLS[question.pop("call")](**question)), flush=True)


if __name__ == "__main__":
    main()

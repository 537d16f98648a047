"""Ask a model once: a question as JSON on standard input, the answer as JSON on standard output.

Each has "host": …, "gateway": HOST:PORT or "", and "headers": {…}. {"call": "infer", "protocol": "http" | "grpc",
"model": …, "inputs": {name: nested lists of floats}} gives {name: nested lists}; {"call": "http", "method": …,
"path": …, "body": …} gives {"status": …, "text": …, "headers": {name in lower case: …}}; {"call": "grpc", "method": …,
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


def infer(
    protocol: str, host: str, gateway: str, headers: dict[str, str], model: str, inputs: dict[str, Any]
) -> dict[str, Any]:
    """What the model answers, by Triton's own client."""
    library = LIBRARIES[protocol]
    tensors = []
    for name, value in inputs.items():
        array = numpy.array(value, numpy.float32)
        tensor = library.InferInput(name, array.shape, "FP32")
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    head = {**headers, "Host": host} if gateway and protocol == "http" else headers
    with triton(protocol, host, gateway) as client:
        answer = client.infer(model, tensors, headers=head)
    given = answer.get_response()
    names = [o["name"] for o in given["outputs"]] if protocol == "http" else [o.name for o in given.outputs]
    return {name: answer.as_numpy(name).tolist() for name in names}


def triton(protocol: str, host: str, gateway: str) -> Any:
    """Triton's client of the host itself, or of a gateway. By HTTP each request has to tell that one the host."""
    if not gateway:
        return LIBRARIES[protocol].InferenceServerClient(f"{host}:{PORTS[protocol]}")
    if protocol == "http":
        return tritonclient.http.InferenceServerClient(gateway)
    return tritonclient.grpc.InferenceServerClient(gateway, channel_args=[("grpc.default_authority", host)])


def plain(host: str, gateway: str, headers: dict[str, str], method: str, path: str, body: object) -> dict[str, Any]:
    """One HTTP request as it is, to the host itself or by a gateway."""
    connection = http.client.HTTPConnection(gateway or f"{host}:{PORTS['http']}", timeout=SECONDS)
    names = {**headers, "Host": host} if gateway else headers
    connection.request(method, path, None if body is None else json.dumps(body), names)
    response = connection.getresponse()
    given = {name.lower(): value for name, value in response.getheaders()}
    return {"status": response.status, "text": response.read().decode(), "headers": given}


def control(host: str, gateway: str, headers: dict[str, str], method: str, arguments: list[Any]) -> dict[str, str]:
    """One call of Triton's gRPC client; its error, empty when there was none."""
    with triton("grpc", host, gateway) as client:
        try:
            getattr(client, method)(*arguments, headers=headers)
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

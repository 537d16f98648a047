"""A model's server that answers what no Triton would, and a kubectl that leads to it."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.serving import EndingServer

CONFIG = {"max_batch_size": 8, "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [1]}], "output": []}
METADATA = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}]}


@dataclass
class Says:
    """What the model answers: a text as the output `name`, or an error; or a little again and again without an end."""

    text: str = ""
    name: str = "y"
    error: str = ""
    endless: bool = False

    def to(self, request: BaseHTTPRequestHandler, ended: threading.Event) -> None:
        if self.endless:
            request.send_response(200)
            request.end_headers()
            while not ended.wait(0.1):
                request.wfile.write(b" ")
        elif self.error:
            _send(request, 500, json.dumps({"error": self.error}).encode())
        else:
            element = self.text.encode()
            raw = len(element).to_bytes(4, "little") + element
            output = {
                "name": self.name,
                "datatype": "BYTES",
                "shape": [1],
                "parameters": {"binary_data_size": len(raw)},
            }
            head = json.dumps({"outputs": [output]}).encode()
            _send(request, 200, head + raw, head=len(head))


class Server(EndingServer):
    """It serves one model, which takes `x`."""

    def __init__(self) -> None:
        super().__init__(_Asked)
        self.says = Says()


class _Asked(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        _send(self, 200, json.dumps(CONFIG if self.path.endswith("/config") else METADATA).encode())

    def do_POST(self) -> None:
        try:
            self.server.says.to(self, self.server.ended)
        except OSError:
            return

    def log_message(self, *args: object) -> None:
        """Nobody wants to know."""


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, **lengths: Any) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    if "head" in lengths:
        request.send_header("Inference-Header-Content-Length", str(lengths["head"]))
    request.end_headers()
    request.wfile.write(body)

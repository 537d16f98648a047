"""The models: each waits as long as an accelerator would work, so that two cores carry many pods of them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from load.schedule import Stairs

TARGET: Final = 0.7
"""Of what its pods can do: the load at which every scaler is to hold a model."""
BETWEEN: Final = 0.4
"""The offered load lies as far below a whole number of pods: what they need is not a matter of chance."""
ANSWER: Final = 7.0
REQUEST: Final[Mapping[str, Any]] = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3.0]}]}

PROGRAM: Final = '''
import time
import numpy
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    """y = 2x + 1, as late as an accelerator would have it, however many requests are in the batch."""

    def execute(self, requests):
        time.sleep(SECONDS)
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "x").as_numpy()) for request in requests]

    def answer(self, x):
        return pb_utils.InferenceResponse([pb_utils.Tensor("y", (x * 2 + 1).astype(numpy.float32))])
'''


@dataclass(frozen=True)
class Model:
    """One kind of model, and what one of its pods can do."""

    name: str
    what: str
    seconds: float
    """Of one execution."""
    batch: int = 1
    instances: int = 1
    objective_seconds: float = 1.5
    """Within which an answer is to come."""
    cpu_full: int = 8
    """Thousandths of a core that a full pod takes, by `full_pod.py`: the model waits, and Triton works little."""

    @property
    def capacity(self) -> float:
        """Requests a second of a pod that is full."""
        return self.batch * self.instances / self.seconds

    def rate(self, pods: int) -> float:
        """Requests a second that need so many pods."""
        return round((pods - BETWEEN) * TARGET * self.capacity, 2)

    def needs(self, rate: float) -> int:
        """The pods that requests at this rate need."""
        return max(1, ceil(rate / (TARGET * self.capacity) - 1e-9))

    def stairs(self, steps: Sequence[tuple[int, float]]) -> Stairs:
        """The rates that need so many pods, each for so many seconds."""
        return Stairs(tuple((self.rate(need), seconds) for need, seconds in steps))

    def bundle(self) -> dict[str, bytes]:
        """Its files by path."""
        batching = "dynamic_batching { }\n" if self.batch > 1 else ""
        config = (
            f'backend: "python"\nmax_batch_size: {self.batch}\n'
            'input [{name: "x" data_type: TYPE_FP32 dims: [1]}]\noutput [{name: "y" data_type: TYPE_FP32 dims: [1]}]\n'
            f"{batching}instance_group [{{count: {self.instances} kind: KIND_CPU}}]\n"
        )
        answer = {"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [ANSWER]}
        files = {
            "config.pbtxt": config.encode(),
            "1/model.py": PROGRAM.replace("SECONDS", str(self.seconds)).encode(),
            "golden/three.json": json.dumps({**REQUEST, "outputs": [answer]}).encode(),
        }
        sums = (f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in sorted(files.items()))
        return {**files, "SHA256SUMS": "".join(sums).encode()}


MODELS: Final = (
    Model("single", "no batching, one instance, 200 ms", seconds=0.2),
    Model("batching", "dynamic batching of 8, one instance, 800 ms", seconds=0.8, batch=8, objective_seconds=3.0),
    Model(
        "instances", "no batching, two instances, 400 ms", seconds=0.4, instances=2, objective_seconds=2.0, cpu_full=9
    ),
)

"""Asks the model by gRPC: python ask_grpc.py [HOST:8001]"""

import sys

import numpy as np
import tritonclient.grpc as triton

HOST = sys.argv[1] if len(sys.argv) > 1 else "localhost:8001"
ROWS = np.array([[-1], [0], [3]], np.float32)

x = triton.InferInput("x", ROWS.shape, "FP32")
x.set_data_from_numpy(ROWS)
answer = triton.InferenceServerClient(HOST).infer("keras-regression", [x], client_timeout=10)
print(" ".join(f"{number:.3f}" for number in answer.as_numpy("y")[:, 0]))

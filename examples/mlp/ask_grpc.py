"""Asks the model by gRPC: python ask_grpc.py [HOST:8001]"""

import sys

import numpy as np
import tritonclient.grpc as triton

HOST = sys.argv[1] if len(sys.argv) > 1 else "localhost:8001"
NUMBERS = np.array([[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]], np.float32)

x = triton.InferInput("x", NUMBERS.shape, "FP32")
x.set_data_from_numpy(NUMBERS)
answer = triton.InferenceServerClient(HOST).infer("mlp", [x], client_timeout=10)
print(" ".join(f"{number:.3f}" for number in answer.as_numpy("y")[0]))

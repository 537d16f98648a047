"""Asks the model by gRPC: python ask_grpc.py [HOST:8001]"""

import sys

import numpy as np
import tritonclient.grpc as triton

HOST = sys.argv[1] if len(sys.argv) > 1 else "localhost:8001"
COLUMNS = {
    "contract": np.array([["month"], ["year"]], object),
    "months": np.array([[2], [60]], np.int64),
    "fee": np.array([[99.5], [15]], np.float32),
}
KINDS = {"contract": "BYTES", "months": "INT64", "fee": "FP32"}

inputs = []
for name, column in COLUMNS.items():
    inputs.append(triton.InferInput(name, column.shape, KINDS[name]))
    inputs[-1].set_data_from_numpy(column)
answer = triton.InferenceServerClient(HOST).infer("churn", inputs, client_timeout=10)
for (label,), (stays, leaves) in zip(answer.as_numpy("label"), answer.as_numpy("probabilities"), strict=True):
    print(f"{'leaves' if label else 'stays'} {stays:.4f} {leaves:.4f}")

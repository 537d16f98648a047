"""Asks the model by gRPC: python ask_grpc.py [HOST:8001]"""

import sys

import numpy as np
import tritonclient.grpc as triton

HOST = sys.argv[1] if len(sys.argv) > 1 else "localhost:8001"
TEXTS = np.array([["the courier was friendly"], ["my box came broken"]], object)

text = triton.InferInput("text", TEXTS.shape, "BYTES")
text.set_data_from_numpy(TEXTS)
answer = triton.InferenceServerClient(HOST).infer("text-ensemble", [text], client_timeout=10)
for (label,), (complaint, praise) in zip(answer.as_numpy("label"), answer.as_numpy("probabilities"), strict=True):
    print(f"{label.decode()} {complaint:.4f} {praise:.4f}")

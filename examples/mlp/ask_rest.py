"""Asks the model by REST: python ask_rest.py [http://HOST:8000]"""

import sys

import requests

URL = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
NUMBERS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]

question = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 10], "data": NUMBERS}]}
response = requests.post(f"{URL}/v2/models/mlp/infer", json=question, timeout=10)
response.raise_for_status()
(y,) = response.json()["outputs"]
print(" ".join(f"{number:.3f}" for number in y["data"]))

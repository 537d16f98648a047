"""Asks the model by REST: python ask_rest.py [http://HOST:8000]"""

import sys

import requests

URL = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"

question = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [3, 1], "data": [-1, 0, 3]}]}
response = requests.post(f"{URL}/v2/models/keras-regression/infer", json=question, timeout=10)
response.raise_for_status()
(y,) = response.json()["outputs"]
print(" ".join(f"{number:.3f}" for number in y["data"]))

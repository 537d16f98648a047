"""Asks the model by REST: python ask_rest.py [http://HOST:8000]"""

import sys

import requests

URL = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
COLUMNS = [
    ("contract", "BYTES", ["month", "year"]),
    ("months", "INT64", [2, 60]),
    ("fee", "FP32", [99.5, 15]),
]

inputs = [{"name": name, "datatype": kind, "shape": [2, 1], "data": data} for name, kind, data in COLUMNS]
response = requests.post(f"{URL}/v2/models/churn/infer", json={"inputs": inputs}, timeout=10)
response.raise_for_status()
answer = {output["name"]: output["data"] for output in response.json()["outputs"]}
for label, stays, leaves in zip(answer["label"], *(answer["probabilities"][side::2] for side in (0, 1)), strict=True):
    print(f"{'leaves' if label else 'stays'} {stays:.4f} {leaves:.4f}")

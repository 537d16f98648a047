"""Asks the model by REST: python ask_rest.py [http://HOST:8000]"""

import sys

import requests

URL = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"

for text in ("the courier was friendly", "my box came broken"):
    # /generate takes a model's inputs by name; /infer takes many texts at once.
    response = requests.post(f"{URL}/v2/models/text-ensemble/generate", json={"text": text}, timeout=10)
    response.raise_for_status()
    answer = response.json()
    complaint, praise = answer["probabilities"]
    print(f"{answer['label']} {complaint:.4f} {praise:.4f}")

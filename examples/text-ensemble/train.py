"""A classifier of texts in three steps, which are three models of one bundle: tokenizer, network and label.

The network is trained here; the ensemble and the two steps in Python lie ready in models/.

python train.py --out DIR
"""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier

from slipway.bundle import pack

sys.path.insert(0, str(Path(__file__).resolve().parent / "models" / "tokenizer" / "1"))
from words import counts

MODELS = Path(__file__).resolve().parent / "models"
NEUTRAL = "the a our and again today yesterday parcel order box service we got an from courier came"
TELLING = {
    "complaint": "late broken lost wrong damaged missing rude never slow refund dirty torn",
    "praise": "great perfect friendly thanks love excellent early helpful happy clean best quick",
}
LABELS = sorted(TELLING)
ASKED = [
    "the parcel came late and the box torn",
    "great service and a friendly courier thanks",
    "again we got a broken order",
    "perfect the box came early today",
]


def rows(texts: list[str]) -> np.ndarray:
    """What the tokenizer makes of them."""
    return np.array([counts(text) for text in texts], np.float32)


def texts(seed: int) -> tuple[list[str], list[str]]:
    """1,000 made-up texts: five to ten neutral words with two that tell the class."""
    dice = random.Random(seed)
    found, labels = [], []
    for label in LABELS * 500:
        words = dice.choices(NEUTRAL.split(), k=dice.randint(5, 10)) + dice.choices(TELLING[label].split(), k=2)
        found.append(" ".join(words))
        labels.append(label)
    return found, labels


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a classifier of texts and write its bundle of four models.")
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--seed", type=int, default=0, help="of the texts and first weights (default %(default)s)")
    args = parser.parse_args()

    found, labels = texts(args.seed)
    network = MLPClassifier([16], max_iter=400, random_state=args.seed).fit(rows(found[:800]), labels[:800])
    accuracy = round(network.score(rows(found[800:]), labels[800:]), 3)
    print(f"accuracy {accuracy} on {len(found) - 800} texts that it never saw")

    probabilities = network.predict_proba(rows(ASKED)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(MODELS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        pack.sklearn(network, rows(ASKED), out=Path(folder) / "network", names={"x": "counts"})
        packed = pack.models(
            folder,
            {"text": ASKED},
            {"label": [LABELS[row.argmax()] for row in probabilities], "probabilities": probabilities},
            out=args.out,
            name="text-ensemble",
            replace=True,
            card=pack.Card(
                title="Praise or complaint, in three steps",
                license="apache-2.0",
                task="text-classification",
                metrics={"accuracy": accuracy},
                dataset="made-up texts",
                tags=["example"],
            ),
        )
    print(f"wrote {args.out}, digest {packed.digest}")


if __name__ == "__main__":
    main()

"""A classifier that takes a text as it is, a string: words are counted inside the model.

python train.py --out DIR
"""

import argparse
import random
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from slipway.bundle import pack

NEUTRAL = "the a our and again today yesterday parcel order box service we got an from courier came"
TELLING = {
    "complaint": "late broken lost wrong damaged missing rude never slow refund dirty torn",
    "praise": "great perfect friendly thanks love excellent early helpful happy clean best quick",
}
ASKED = [
    "the parcel came late and the box torn",
    "great service and a friendly courier thanks",
    "again we got a broken order",
    "perfect the box came early today",
]


def texts(seed: int) -> tuple[list[str], list[str]]:
    """1,000 made-up texts: five to ten neutral words with two that tell the class."""
    dice = random.Random(seed)
    found, labels = [], []
    for label in [*TELLING] * 500:
        words = dice.choices(NEUTRAL.split(), k=dice.randint(5, 10)) + dice.choices(TELLING[label].split(), k=2)
        found.append(" ".join(words))
        labels.append(label)
    return found, labels


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a classifier of texts and write its bundle.")
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--seed", type=int, default=0, help="of the texts (default %(default)s)")
    args = parser.parse_args()

    found, labels = texts(args.seed)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(found[:800], labels[:800])
    accuracy = round(model.score(found[800:], labels[800:]), 3)
    print(f"accuracy {accuracy} on {len(found) - 800} texts that it never saw")
    packed = pack.sklearn(
        model,
        {"text": ASKED},
        out=args.out,
        name="sentiment",
        replace=True,
        card=pack.Card(
            title="Praise or complaint",
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

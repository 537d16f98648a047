"""A network tells handwritten digits; its bundle is what compress.py makes smaller.

python train.py --out DIR
"""

import argparse
import warnings
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from slipway.bundle import pack

pixels, labels = load_digits(return_X_y=True)
pixels = pixels / 16
TRAINED, LABELLED, ASKED = slice(0, 1200), slice(1200, 1700), slice(1700, None)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a network that tells digits, and write its bundle.")
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights (default %(default)s)")
    args = parser.parse_args()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # twenty rounds are enough
        model = MLPClassifier((256, 128), max_iter=20, random_state=args.seed).fit(pixels[TRAINED], labels[TRAINED])
    accuracy = round(model.score(pixels[LABELLED], labels[LABELLED]), 3)
    print(f"accuracy {accuracy} on {len(labels[LABELLED])} digits that it never saw")
    packed = pack.sklearn(
        model,
        {"pixels": pixels[ASKED][:20]},
        out=args.out,
        name="digits",
        replace=True,
        card=pack.Card(
            title="Handwritten digits",
            license="apache-2.0",
            task="image-classification",
            metrics={"accuracy": accuracy},
            tags=["example"],
        ),
    )
    print(f"wrote {args.out}, digest {packed.digest}")


if __name__ == "__main__":
    main()

"""Keras learns a line; what it learned is saved, loaded again and trained further on new data. Each time a bundle.

python train.py --out DIR                                          # y = 2x + 1, saved as model.keras
python train.py --out DIR --continue model.keras --slope 3         # goes on from there, on points of y = 3x + 1
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from slipway.bundle import pack


def points(slope: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """256 points of y = slope * x + 1 with noise."""
    dice = np.random.default_rng(seed)
    x = dice.uniform(-3, 3, (256, 1)).astype(np.float32)
    return x, (slope * x + 1 + dice.normal(0, 0.1, x.shape)).astype(np.float32)


def untrained() -> keras.Model:
    """One weight and one bias."""
    model = keras.Sequential([keras.Input((1,), name="x"), keras.layers.Dense(1, name="y")], name="line")
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss="mean_squared_error")
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit a line with Keras and write its bundle.")
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--continue", type=Path, dest="earlier", help="a .keras file to go on from")
    parser.add_argument("--save", type=Path, default=Path("model.keras"), help="where to (default %(default)s)")
    parser.add_argument("--slope", type=float, default=2.0, help="what the data follows (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the data and the first weights (default %(default)s)")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    x, y = points(args.slope, args.seed)
    model = keras.saving.load_model(args.earlier) if args.earlier else untrained()
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=40, batch_size=32, verbose=0)
    after = model.evaluate(x, y, verbose=0)
    model.save(args.save)
    weight, bias = (values.item() for values in model.layers[-1].get_weights())
    print(f"mean squared error {before:.4f} before, {after:.4f} after; learned y = {weight:.4f} x + {bias:.4f}")
    packed = pack.keras(
        model,
        {"x": x[:8]},
        outputs=["y"],
        out=args.out,
        name="keras-regression",
        replace=True,
        card=pack.Card(title="A line", license="apache-2.0", metrics={"mse": round(after, 4)}, tags=["example"]),
    )
    print(f"saved {args.save}, wrote {args.out}, digest {packed.digest}")


if __name__ == "__main__":
    main()

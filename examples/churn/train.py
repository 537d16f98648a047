"""A pipeline of scikit-learn says which customers are about to leave, from a table of text and numbers.

python train.py --out DIR
"""

import argparse
from pathlib import Path

import numpy as np
import pandas
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from slipway.bundle import pack


def customers(seed: int) -> tuple[pandas.DataFrame, np.ndarray]:
    """2,000 made-up ones: who pays much, by the month and not for long, tends to leave."""
    dice = np.random.default_rng(seed)
    table = pandas.DataFrame(
        {
            "contract": dice.choice(["month", "year"], 2000),
            "months": dice.integers(1, 72, 2000),
            "fee": dice.uniform(10, 120, 2000).round(2),
        }
    )
    leaning = (table["contract"] == "month") * 1.5 + table["fee"] / 40 - table["months"] / 20 - 1
    return table, (leaning + dice.normal(0, 0.5, 2000) > 0).astype(int).to_numpy()


def pipeline(seed: int) -> Pipeline:
    """The estimator, before it was fitted."""
    columns = make_column_transformer((OneHotEncoder(), ["contract"]), (StandardScaler(), ["months", "fee"]))
    return make_pipeline(columns, GradientBoostingClassifier(n_estimators=50, random_state=seed))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit a pipeline of scikit-learn and write its bundle.")
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--seed", type=int, default=0, help="of the data and the trees (default %(default)s)")
    args = parser.parse_args()

    table, left = customers(args.seed)
    train, test, left_train, left_test = train_test_split(table, left, random_state=args.seed)
    model = pipeline(args.seed).fit(train, left_train)
    f1 = round(f1_score(left_test, model.predict(test)), 3)
    print(f"f1 {f1} on {len(test)} customers that it never saw")
    packed = pack.sklearn(
        model,
        test[:20],
        out=args.out,
        name="churn",
        replace=True,
        card=pack.Card(
            title="Churn",
            license="apache-2.0",
            task="tabular-classification",
            metrics={"f1": f1},
            dataset="made-up customers",
            tags=["example"],
        ),
    )
    print(f"wrote {args.out}, digest {packed.digest}")


if __name__ == "__main__":
    main()

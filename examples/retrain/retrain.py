"""A month's data came: train on all of it, compare with the champion, and publish as challenger, or say what is worse.

python retrain.py --data DIR --to 's3://models/churn/$(version)' --key key.pem

DIR has a file a month, such as 2026-11.csv, with the columns contract, months, fee and left. The newest names the
version. A quarter of its rows is kept out of training, and both models are measured on it. Run again for the same month
it does nothing.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas
from sklearn.model_selection import train_test_split

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "churn"))
from train import pipeline

from slipway.api.v1alpha1 import REGISTERED_MODEL
from slipway.bundle import metric, original, pack
from slipway.bundle.errors import BundleError
from slipway.bundle.metric import Trial
from slipway.bundle.place import Place
from slipway.bundle.runtime import OnnxModel
from slipway.bundle.sign import sign
from slipway.bundle.transfer import pull, take_signature
from slipway.catalogue import changes
from slipway.catalogue.cluster import Cluster
from slipway.catalogue.publish import Version, publish

MODEL = "churn"
MONTH = "[0-9][0-9][0-9][0-9]-[0-9][0-9].csv"
COLUMNS = ["contract", "months", "fee"]
FEWEST = 20
"""Rows with each label that a month needs: a quarter of fewer measures nothing."""
GATES = ("f1 >= 0.7", "f1 drop <= 0.02")
"""The first finds labels that mean nothing, on which any two models are alike; the second, a step back."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory with a file a month")
    parser.add_argument("--to", required=True, help="address of the bundle; $(version) stands for the version")
    parser.add_argument("--key", type=Path, required=True, help="EC key in PEM form that signs")
    parser.add_argument("--keys", type=Path, help="directory of the store's keys (default: the environment)")
    parser.add_argument("--namespace", help="of the catalogue (default: the context's)")
    args = parser.parse_args()

    if "$(version)" not in args.to:
        raise SystemExit(f"--to {args.to}: would be every month's; write $(version) where the version has its place")
    if not args.key.is_file():
        raise SystemExit(f"--key {args.key}: is not there; mount the Secret with the key that signs")
    months = sorted(args.data.glob(MONTH))
    if not months:
        raise SystemExit(f"--data {args.data}: has no file of a month, such as 2026-11.csv; put one there")
    version = months[-1].stem
    train, test = split(months)
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    with Cluster.connected(namespace=args.namespace) as cluster, tempfile.TemporaryDirectory() as scratch:
        champion = champion_of(cluster)
        before = None
        if champion:
            published = changes.published(cluster, MODEL, champion)["spec"]
            source = Place(
                uri=published["sources"][0]["uri"], digest=published["digest"], endpoint=endpoint, keys=args.keys
            )
            before = f1(Path(pull(source, Path(scratch) / "champion").where), test)
        bundle = Path(scratch) / MODEL
        trained(train, test, bundle)
        refuse_worse(version, champion, before, f1(bundle, test))
        place = Place(uri=args.to.replace("$(version)", version), endpoint=endpoint, keys=args.keys)
        sign(bundle, key=args.key, add=take_signature(bundle, place))
        wanted = Version(
            model=MODEL,
            version=version,
            place=place,
            commit=os.environ.get("COMMIT"),
            data=f"sha256:{hashlib.sha256(months[-1].read_bytes()).hexdigest()}",
            continues=champion,
        )
        done = publish(wanted, cluster, bundle=bundle)
        changes.move_alias(cluster, MODEL, "challenger", version)
    print(f"{MODEL} {version} is challenger, digest {done.digest}")


def split(months: list[Path]) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """All rows but a quarter of the newest month's, and that quarter."""
    *before, newest = map(rows_of, months)
    seen, test = train_test_split(newest, random_state=0)
    return pandas.concat([*before, seen], ignore_index=True), test


def rows_of(month: Path) -> pandas.DataFrame:
    """A month's rows, or an end that says what is wrong with them."""
    try:
        rows = pandas.read_csv(month)
    except ValueError as error:
        raise SystemExit(f"{month}: is no table: {error}") from None
    wanted = [*COLUMNS, "left"]
    if absent := [name for name in wanted if name not in rows]:
        raise SystemExit(f"{month}: has no column {absent[0]}; it takes {', '.join(wanted)}")
    if rows[wanted].isna().any(axis=None):
        raise SystemExit(f"{month}: has empty cells; fill them or leave their rows out")
    if set(rows["left"]) != {0, 1} or rows["left"].value_counts().min() < FEWEST:
        raise SystemExit(f"{month}: left has to be 0 or 1, and each of them at least {FEWEST} times")
    return rows


def champion_of(cluster: Cluster) -> str | None:
    """The version that serves by agreement; None before there is one."""
    model = cluster.get(REGISTERED_MODEL, MODEL)
    return ((model or {}).get("spec", {}).get("aliases") or {}).get("champion")


def trained(train: pandas.DataFrame, test: pandas.DataFrame, out: Path) -> None:
    """The bundle of a model of these rows, with its metric on those that it never saw."""
    model = pipeline(0).fit(train[COLUMNS], train["left"])
    score = round(float(metric_of(model.predict(test[COLUMNS]), test["left"])), 3)
    card = pack.Card(
        title="Churn",
        license="apache-2.0",
        task="tabular-classification",
        metrics={"f1": score},
        dataset="a quarter of the newest month",
    )
    pack.sklearn(model, test[COLUMNS][:20], out=out, name=MODEL, card=card)


def metric_of(answers: np.ndarray, labels: pandas.Series) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, answers))


def f1(bundle: Path, test: pandas.DataFrame) -> float:
    """What a bundle's own graph gets, as it is served."""
    opened = original.open_onnx(bundle)
    rows = {
        "contract": test[["contract"]].to_numpy(dtype=object),
        "months": test[["months"]].to_numpy(dtype=np.int64),
        "fee": test[["fee"]].to_numpy(dtype=np.float32),
    }
    trial = Trial(gate=metric.parse(GATES[0]), rows=rows, labels=test["left"].to_numpy(), output="probabilities")
    return trial.score(OnnxModel(opened.file).run, opened.signature)


def refuse_worse(version: str, champion: str | None, before: float | None, after: float) -> None:
    """End where the new model is worse than the gates allow: the Job fails, and no alias moves."""
    for gate in map(metric.parse, GATES):
        if gate.drop and champion is None:
            continue
        refusal = gate.refusal(after if before is None else before, after)
        if refusal:
            measured = refusal.partition("; ")[0]
            raise SystemExit(f"refused {MODEL} {version}: {measured}; champion stays {champion or 'unset'}")
    print(f"f1 {after:.4f}, champion {'none' if before is None else f'{before:.4f}'}")


if __name__ == "__main__":
    try:
        main()
    except BundleError as error:
        sys.exit(str(error))

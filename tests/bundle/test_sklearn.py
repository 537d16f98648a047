"""scikit-learn's estimators: what each becomes, and what cannot be exported."""

import json
import sys
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from slipway.bundle import pack

Out = dict[str, Any]
X, y = make_classification(100, 4, random_state=0)
FOUR = [("x", "FP32", [4])]
LABEL = ("label", "INT64", [1])
BOTH = [LABEL, ("probabilities", "FP32", [2])]
VALUE = [("variable", "FP32", [1])]


@pytest.mark.parametrize(
    ("estimator", "gives"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), BOTH),
        (GradientBoostingClassifier(n_estimators=5, random_state=0), BOTH),
        (LinearSVC(), [LABEL]),
        (LinearRegression(), VALUE),
        (RandomForestRegressor(n_estimators=5, random_state=0), VALUE),
        (StandardScaler(), [("variable", "FP32", [4])]),
        (KMeans(3, random_state=0), [LABEL]),
    ],
    ids=lambda found: type(found).__name__ if isinstance(found, BaseEstimator) else "",
)
def test_what_an_estimator_gives(estimator: Any, gives: list[Any], out: Out) -> None:
    packed = pack.sklearn(estimator.fit(X, y), X[:5], **out)
    assert (packed.model["inputs"], packed.model["outputs"]) == (FOUR, gives)


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(max_iter=1000), make_pipeline(StandardScaler(), LogisticRegression())],
    ids=["estimator", "pipeline"],
)
def test_an_estimator_that_was_fitted_with_a_frame_takes_its_columns_by_name(estimator: Any, out: Out) -> None:
    frame = pandas.DataFrame({"fee (EUR)": X[:, 0], "months": range(len(X)), "age": X[:, 2]})
    packed = pack.sklearn(estimator.fit(frame, y), frame[:5], **out)
    assert packed.model["inputs"] == [("fee (EUR)", "FP32", [1]), ("months", "INT64", [1]), ("age", "FP32", [1])]
    assert packed.model["outputs"] == BOTH


def test_the_golden_answers_are_scikit_learns(out: Out) -> None:
    model = LogisticRegression().fit(X, y)
    bundle = pack.sklearn(model, X, **out).directory
    label, probabilities = json.loads((bundle / "golden" / "batch.json").read_text())["outputs"]
    assert label["data"] == model.predict(X[:8]).tolist()
    np.testing.assert_allclose(probabilities["data"], model.predict_proba(X[:8]).ravel(), rtol=1e-5)


def test_numbers_may_stay_double(out: Out) -> None:
    packed = pack.sklearn(LinearRegression().fit(X, y), X, dtype="FP64", names={"variable": "score"}, **out)
    assert packed.model["inputs"] == [("x", "FP64", [4])]
    assert packed.model["outputs"] == [("score", "FP64", [1])]


def test_whole_numbers_of_an_array_are_floats_to_the_model(out: Out) -> None:
    rows = np.arange(12).reshape(3, 4)
    assert pack.sklearn(LinearRegression().fit(X, y), rows, **out).model["inputs"] == FOUR


def test_a_missing_value_is_a_row_like_others(out: Out) -> None:
    from sklearn.impute import SimpleImputer

    rows = np.array([[1.0, np.nan], [2.0, 3.0], [4.0, 5.0]])
    model = make_pipeline(SimpleImputer(), LinearRegression()).fit(rows, [0.0, 1.0, 2.0])
    bundle = pack.sklearn(model, rows, **out).directory
    assert json.loads((bundle / "golden" / "one.json").read_text())["inputs"][0]["data"] == [1.0, "NaN"]


def test_each_row_is_asked_and_not_only_the_first_three(out: Out) -> None:
    """What an exported pipeline takes for a letter is not what Python does."""
    texts = ["great service", "broken parcel", "friendly courier", "late again", "Straße Köln"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0, 1])
    with pytest.raises(pack.BundleError, match=r"a batch of 5: .* scikit-learn .*: probabilities\[4, 0\] "):
        pack.sklearn(model, texts, **out)


class HomeMade(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that no converter knows."""

    def fit(self, X: Any, y: Any) -> "HomeMade":  # noqa: N803
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.zeros(len(X), np.int64)


def test_an_estimator_that_has_no_converter_is_named(out: Out) -> None:
    with pytest.raises(pack.BundleError, match=r"HomeMade: skl2onnx cannot export it: .*slipway\.bundle\.pack\.python"):
        pack.sklearn(HomeMade().fit(X, y), X, **out)


def test_rows_of_another_width_are_named(out: Out) -> None:
    with pytest.raises(pack.BundleError, match=r"LinearRegression: does not take the examples: X has 3 features"):
        pack.sklearn(LinearRegression().fit(X, y), X[:, :3], **out)


def test_what_is_no_model_is_named(out: Out) -> None:
    with pytest.raises(pack.BundleError, match="DataFrame: is no estimator of scikit-learn's; give a fitted one"):
        pack.sklearn(pandas.DataFrame({"a": [1.0]}), X, **out)


def test_a_package_that_is_not_there_is_named_with_what_to_install(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(pack.BundleError, match=r"skl2onnx: not installed, .*; pip install skl2onnx"):
        pack.sklearn(LinearRegression().fit(X, y), X, **out)

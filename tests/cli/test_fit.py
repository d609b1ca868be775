"""`nnlimits fit` and `nnlimits predict`, from a table to a file of predictions."""

import builtins
import pickle

import numpy as np
import pandas as pd
import pytest

from nnlimits.cli import cross_validation, models, tabular, targets

FAST = ("--folds", "2", "--compare-rows", "40")


@pytest.fixture
def quick(monkeypatch):
    """Estimators that select among little, and only some of their competitors."""
    own = {"depth": 1, "selection_rows": 30}
    for name in ("InfiniteNetRegressor", "InfiniteNetClassifier"):
        estimator = getattr(cross_validation, name)
        monkeypatch.setattr(cross_validation, name, lambda estimator=estimator, **options: estimator(**(own | options)))
    baselines = cross_validation.baselines
    for name in ("regressors", "classifiers"):
        build = getattr(baselines, name)
        monkeypatch.setattr(
            baselines,
            name,
            lambda seed, build=build: {
                key: value for key, value in build(seed).items() if "forest" not in key and "boosting" not in key
            },
        )


@pytest.mark.usefixtures("quick")
def test_regression_from_csv(run, regression_csv, tmp_path):
    output = run("fit", regression_csv, "--target", "y", *FAST).output
    assert "60 rows, 4 features; target y: regression, as it holds 60 different numbers." in output
    for name in ("(NNGP)", "(NTK)", "SVM", "Gaussian process", "ridge regression"):
        assert name in output
    assert "coverage" in output
    assert (tmp_path / "heat.nnlimits").is_file()

    frame = pd.read_csv(regression_csv)
    shuffled = frame[["c", "constant", "y", "b", "a"]].assign(unused="text")
    shuffled.to_csv("new.csv", index=False)
    output = run("predict", "heat.nnlimits", "new.csv", "--output", "out.csv").output
    assert "columns that the model does not use: unused" in output
    assert "RMSE" in output
    written = pd.read_csv("out.csv")
    assert list(written.columns) == ["mean", "std"]
    estimator = models.load(tmp_path / "heat.nnlimits").estimator
    mean, std = estimator.predict(frame[["a", "b", "constant", "c"]].to_numpy(), return_std=True)
    np.testing.assert_allclose(written.to_numpy(), np.stack([mean, std], 1), rtol=1e-9)
    assert np.mean((written["mean"] - frame["y"]) ** 2) < 0.3 * frame["y"].var()


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_classification_from_parquet(run, classification_csv, tmp_path):
    frame = pd.read_csv(classification_csv)
    frame.to_parquet("signs.parquet")
    output = run("fit", "signs.parquet", "--target", "kind", "--model-out", "m", "--regime", "trained", *FAST).output
    assert "classification, as its 2 values are not numbers" in output
    assert "accuracy" in output
    assert "Selected: infinite network, trained (NTK)" in output
    run("predict", "m", "signs.parquet")
    written = pd.read_csv("predictions.csv")
    assert list(written.columns) == ["label", "probability_different", "probability_same"]
    np.testing.assert_allclose(written.iloc[:, 1:].sum(axis=1), 1)
    assert (written["label"] == frame["kind"]).mean() > 0.8


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_npz_with_integer_classes_and_a_matrix_of_features(run, tmp_path):
    draw = np.random.default_rng(0)
    x = draw.standard_normal((40, 3))
    np.savez("data.npz", pixels=x, digit=(x[:, 0] > 0).astype(int) + 3)
    output = run("fit", "data.npz", "--target", "digit", "--drop", "pixels_2", *FAST).output
    assert "2 features; target digit: classification, as it holds 2 different whole numbers." in output
    np.savez("new.npz", pixels=x)
    run("predict", "data.nnlimits", "new.npz", "-o", "out.csv")
    assert set(pd.read_csv("out.csv")["label"]) == {3, 4}


def bad_table(**changed) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.standard_normal(12), "b": draw.standard_normal(12), "y": draw.standard_normal(12)})
    return frame.assign(**changed)


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"a": ["red"] + [1.5] * 11}, (), "column 'a' is not numeric: row 1 holds 'red'"),
        ({"a": [1.0] * 5 + [np.nan] + [1.0] * 6}, (), "column 'a' has no value in row 6 (1 such rows of 12)"),
        ({"a": [1.0, np.inf] + [1.0] * 10}, (), "column 'a' holds inf in row 2"),
        ({"y": [np.nan] * 12}, (), "column 'y' has no value in row 1"),
        ({"y": "same"}, (), "holds one class only, 'same'"),
        ({"y": 2.5}, (), "holds one value only, 2.5"),
        ({"y": list("abcdefabcdef")}, ("--task", "regression"), "regression needs numbers"),
        ({}, ("--task", "guess"), "--task must be one of auto, regression, classification"),
        ({}, ("--regime", "frozen"), "--regime must be auto, bayesian or trained"),
        ({}, ("--drop", "z"), "there is no column 'z'; the columns are a, b, y"),
        ({}, ("--drop", "y"), "the target 'y' cannot be dropped"),
        ({}, ("--drop", "a", "--drop", "b"), "no columns beside the target"),
        ({}, ("--model-out", "absent/m"), "there is no folder absent"),
        ({}, ("--model-out", "."), "is a folder"),
        ({}, ("--model-out", "t.csv"), "is the input"),
        ({}, ("--folds", "1"), "--folds"),
    ],
)
def test_bad_tables_and_options(run, changed, options, message):
    bad_table(**changed).to_csv("t.csv", index=False)
    output = run("fit", "t.csv", "--target", "y", *options, code=2).output
    assert message in " ".join(output.split())


def test_unknown_target_lists_the_columns(run):
    bad_table().to_csv("t.csv", index=False)
    assert "no column 'Y'; the columns are a, b, y" in run("fit", "t.csv", "--target", "Y", code=2).output


def test_a_model_is_not_left_half_written(run, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device", "m")

    monkeypatch.setattr(pickle, "dump", fail)
    with pytest.raises(OSError, match="No space"):
        models.save(models.Model("regression", "y", ["a"], None), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "is not a model saved by nnlimits fit"),
        (models.MAGIC + b"{", "is damaged"),
        (models.MAGIC + b'{"format": 99, "nnlimits": "9.0"}\n', "has format 99, of nnlimits 9.0"),
        (models.MAGIC + b'{"format": 1, "nnlimits": "0.1.0"}\n\x80', "cannot be read"),
    ],
)
def test_files_that_are_not_models(run, tmp_path, content, message):
    (tmp_path / "m").write_bytes(content)
    bad_table().to_csv("t.csv", index=False)
    assert message in " ".join(run("predict", "m", "t.csv", code=2).output.split())


def test_columns_that_the_model_needs(run, tmp_path):
    models.save(models.Model("regression", "y", ["a", "c", "d"], None), tmp_path / "m")
    bad_table().to_csv("t.csv", index=False)
    assert "the data lack the columns c, d; they have a, b, y" in run("predict", "m", "t.csv", code=2).output
    run("predict", "absent", "t.csv", code=2)
    run("predict", "m", "absent.csv", code=2)
    assert "is the input" in run("predict", "m", "t.csv", "-o", "t.csv", code=2).output
    assert ". is a folder" in run("predict", ".", "t.csv", code=2).output


def test_parquet_without_its_reader(run, tmp_path, monkeypatch):
    bad_table().to_parquet("t.parquet")
    original = builtins.__import__

    def without(name, *arguments, **options):
        if name == "pyarrow":
            raise ImportError("No module named 'pyarrow'", name="pyarrow")
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'nnlimits[parquet]'" in run("fit", "t.parquet", "--target", "y", code=2).output


def test_an_estimator_that_cannot_learn_a_rare_class_has_no_scores():
    x = np.random.default_rng(0).standard_normal((30, 2))
    table = tabular.Table(x, np.array([0] * 15 + [1] * 14 + [2]), np.array(["a", "b", "rare"]))
    builders = {
        "SVM, RBF kernel": cross_validation.contestants(table, 0)["SVM, RBF kernel"],
        "logistic regression": cross_validation.contestants(table, 0)["logistic regression"],
    }
    results = cross_validation.validate(table, builders, 3, 0, lambda _: None)
    for result in results.values():
        assert len(result.scores) == 3


def labelled(*counts: int) -> tabular.Table:
    y = np.repeat(np.arange(len(counts)), counts)
    return tabular.Table(
        np.random.default_rng(0).standard_normal((len(y), 2)), y, np.array(list("uvwxyz")[: len(counts)])
    )


@pytest.mark.parametrize(
    ("counts", "folds"), [((12, 11, 1), 5), ((2, 2), 2), ((3, 3), 3), ((30, 2), 5), ((9, 9), 5), ((1, 1, 2, 3), 3)]
)
def test_every_fold_learns_from_two_classes(counts, folds):
    table = labelled(*counts)
    assert cross_validation.possible_folds(table, 5) == folds
    seen = []
    for seed in range(5):
        for train, test in cross_validation._splits(table, folds, seed):
            assert len(np.unique(table.y[train])) >= 2
            seen.extend(test)
    assert sorted(seen) == sorted([*range(len(table.y))] * 5)


@pytest.mark.parametrize("counts", [(23, 1), (1, 1, 1, 1), (20, 1, 1)])
def test_classes_too_rare_to_hold_one_out(counts):
    with pytest.raises(ValueError, match=r"needs two classes of two rows or more; .* the class '.' has 1; give"):
        cross_validation.possible_folds(labelled(*counts), 5)


def test_a_single_row_of_one_of_two_classes(run, tmp_path):
    bad_table(y=["common"] * 11 + ["rare"]).to_csv("t.csv", index=False)
    output = " ".join(run("fit", "t.csv", "--target", "y", code=2).output.split())
    assert "the class 'rare' has 1; give more rows, or merge rare classes" in output
    assert not list(tmp_path.glob("*nnlimits*"))


def test_folds_of_a_regression_are_at_most_its_rows():
    table = tabular.Table(np.zeros((4, 1)), np.arange(4.0), None)
    assert [cross_validation.possible_folds(table, folds) for folds in (3, 4, 5)] == [3, 4, 4]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        ([0, 1, 2, 1], "classification"),
        ([0.0, 1.0], "classification"),
        (list(range(50)), "regression"),
        ([0.5, 1.0], "regression"),
    ],
)
def test_task_from_values(values, task):
    assert targets.as_task("auto", pd.Series(values, name="y")).task == task
    assert targets.as_task("classification", pd.Series(values, name="y")).task == "classification"


def test_whole_numbers_are_a_regression_if_asked():
    assert targets.as_task("regression", pd.Series([0, 1, 2], name="y")) == ("regression", "asked")

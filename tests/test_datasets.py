"""Digits, and tables read from files."""

import numpy as np
import pandas as pd
import pytest

from nnlimits import datasets


def test_digits_are_stratified_standardised_and_repeatable():
    train, test = datasets.digits(200, seed=3)
    assert train.x.shape == (200, 64)
    assert train.x.dtype == np.float32
    assert len(test.x) == 1597
    assert (abs(np.bincount(train.labels) - 20) <= 1).all()
    np.testing.assert_allclose(train.x.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(train.x.std(1), 1, rtol=1e-5)
    np.testing.assert_allclose(train.targets.sum(1), 0, atol=1e-6)
    assert (train.targets.argmax(1) == train.labels).all()
    np.testing.assert_array_equal(datasets.digits(200, seed=3)[0].x, train.x)
    assert not np.array_equal(datasets.digits(200, seed=4)[0].x, train.x)


def test_digits_number():
    with pytest.raises(ValueError, match="from 10 to 1787"):
        datasets.digits(5)


FRAME = pd.DataFrame({"a": [1, 2], "b": [0.5, -1.0], "c": ["x", "y"], "d": [True, False]})


def test_all_formats_agree(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    FRAME.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    FRAME.to_parquet(tmp_path / "t.PARQUET")
    np.savez(tmp_path / "t.npz", **{name: FRAME[name].to_numpy(dtype=None if name != "c" else "U1") for name in FRAME})
    for name in ("t.csv", "t.tsv", "t.PARQUET", "t.npz"):
        read = datasets.read_table(tmp_path / name)
        assert list(read.columns) == ["a", "b", "c", "d"]
        np.testing.assert_array_equal(datasets.numeric_features(read, ["b", "d", "a"]), [[0.5, 1, 1], [-1, 0, 2]])
        assert list(read["c"]) == ["x", "y"]


def test_matrices_in_npz_become_columns(tmp_path):
    np.savez(tmp_path / "t.npz", x=np.arange(6).reshape(2, 3), y=[7, 8])
    assert list(datasets.read_table(tmp_path / "t.npz").columns) == ["x_0", "x_1", "x_2", "y"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", b"a\n1", "not a CSV, Parquet or NPZ file"),
        ("t.csv", b"", "is empty"),
        ("t.csv", b"a,b\n", "has no rows"),
        ("t.csv", b"a,b,a\n1,2,3\n", "more than one column named 'a'"),
        ("t.csv", b"a,b\n1,2,3\n4,5,6\n", "3 fields in its first row, but a header of 2"),
        ("t.csv", b"a,b\n1,2\n1,2,3,4\n", "cannot be read as CSV"),
        ("t.csv", b"a\n\xff\xfe\xfa\n", "cannot be read as CSV"),
        ("t.parquet", b"nothing of the kind", "cannot be read as Parquet"),
        ("t.npz", b"nothing of the kind", "cannot be read as NPZ|holds arrays of Python objects"),
        ("t.npz", b"", "cannot be read as NPZ"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        datasets.read_table(tmp_path / name)


def test_npz_of_the_wrong_shape(tmp_path):
    np.savez(tmp_path / "t.npz", x=np.zeros((2, 3)), y=np.zeros(3))
    with pytest.raises(ValueError, match=r"as many rows each; they are x \(2, 3\), y \(3,\)"):
        datasets.read_table(tmp_path / "t.npz")
    np.savez(tmp_path / "o.npz", x=np.array([None, "a"], dtype=object))
    with pytest.raises(ValueError, match="Python objects"):
        datasets.read_table(tmp_path / "o.npz")
    np.savez(tmp_path / "e.npz")
    with pytest.raises(ValueError, match="no arrays"):
        datasets.read_table(tmp_path / "e.npz")


def test_folders_and_absent_files(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        datasets.read_table(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        datasets.read_table(tmp_path / "t.csv")


def test_columns_by_name():
    with pytest.raises(ValueError, match="lack the column e; they have a, b, c, d"):
        datasets.numeric_features(FRAME, ["a", "e"])
    with pytest.raises(ValueError, match="no column 'e'; the columns are a, b, c, d"):
        datasets.column(FRAME, "e")
    wide = pd.DataFrame(np.zeros((1, 30)), columns=[f"f{i}" for i in range(30)])
    with pytest.raises(ValueError, match="f11 and 18 more"):
        datasets.column(wide, "e")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", "two"], "is not numeric: row 2 holds 'two'"),
        ([1.0, None], "no value in row 2"),
        ([-np.inf, 1.0], "holds -inf in row 1"),
        ([1j, 0], "complex"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "is not numeric: row 1 holds"),
    ],
)
def test_values_that_are_not_features(values, message):
    with pytest.raises(ValueError, match=message):
        datasets.numeric_features(pd.DataFrame({"v": values}), ["v"])


def test_files_that_are_npz_by_their_name_only(tmp_path):
    """NumPy would take one for a pickle, and give the array of the other without its name."""
    (tmp_path / "text.npz").write_text("a,b\n1,2\n")
    with (tmp_path / "single.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    for name in ("text.npz", "single.npz"):
        with pytest.raises(ValueError, match=r"cannot be read as NPZ: it is not what numpy\.savez writes"):
            datasets.read_table(tmp_path / name)

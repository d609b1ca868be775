"""Picking positions."""

import numpy as np
import pytest

from nnlimits import nn

X = np.arange(2 * 5 * 4 * 3, dtype=np.float32).reshape(2, 5, 4, 3)


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("nn.Index(-1)", X[:, -1]),
        ("nn.Index(0)", X[:, 0]),
        ("nn.Index(slice(1, 3))", X[:, 1:3]),
        ("nn.Index(slice(None, None, -2))", X[:, ::-2]),
        ("nn.Index(slice(None, 100))", X),
        ("nn.Index((slice(0, 4), 2))", X[:, 0:4, 2]),
        ("nn.Index((-2, slice(1, None)))", X[:, -2, 1:]),
        ("nn.Index((1, -1))", X[:, 1, -1]),
    ],
)
def test_picks_as_numpy_does(spelling, expected):
    layer = eval(spelling)
    np.testing.assert_array_equal(layer.apply((), X), expected)
    assert layer.output_shape((5, 4, 3)) == expected.shape[1:]
    assert repr(layer) == spelling
    assert eval(spelling) == layer
    assert hash(eval(spelling)) == hash(layer)


def test_equal_indices_are_equal_words():
    assert nn.Index((np.int64(-1),)) == nn.Index(-1)
    assert repr(nn.Index((-1,))) == "nn.Index(-1)"
    assert nn.Index(slice(0, 4, None)) != nn.Index(slice(0, 4, 1))
    assert nn.Index((slice(0, 4), 2)).index == (slice(0, 4), 2)


@pytest.mark.parametrize(
    ("index", "shape", "message"),
    [
        (5, (5, 3), "Index picks position 5 of axis 0, whose size is 5"),
        (-6, (5, 3), "Index picks position -6 of axis 0"),
        ((0, 4), (5, 4, 3), "Index picks position 4 of axis 1, whose size is 4"),
        (slice(5, 9), (5, 3), r"Index picks nothing by slice\(5, 9\) of axis 0, whose size is 5"),
        (slice(3, 1), (5, 3), r"picks nothing by slice\(3, 1\)"),
        ((0, 0), (5, 3), r"picks along 2 axes; its input \(5, 3\) has 1 position axes"),
        (0, (5,), "has 0 position axes before the channels, which cannot be indexed"),
    ],
    ids=str,
)
def test_refuses_inputs(index, shape, message):
    with pytest.raises(nn.ShapeError, match=message):
        nn.Index(index).output_shape(shape)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ((), ValueError, r"a tuple of those; received \(\)"),
        (1.0, TypeError, r"index must be an integer, a slice, or a tuple of those; received 1\.0"),
        (True, TypeError, "received True"),
        (None, TypeError, "received None"),
        (..., TypeError, "received Ellipsis"),
        (slice(0, 2.5), TypeError, r"the stop of the slice must be an integer; received 2\.5"),
        (slice(0, 4, 0), ValueError, "the step of the slice must not be zero"),
    ],
    ids=str,
)
def test_refuses(index, error, message):
    with pytest.raises(error, match=message):
        nn.Index(index)

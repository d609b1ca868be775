"""Boxes and their point sets."""

import math

import numpy as np
import pytest

from nnlimits.approximation import Box
from nnlimits.approximation.domain import as_box


def test_geometry() -> None:
    box = Box((0.0, -1.0), (3.0, 3.0))
    assert box.dimension == 2
    assert np.array_equal(box.sides, [3, 4])
    assert np.array_equal(box.centre, [1.5, 1])
    assert box.volume == 12
    assert box.diameter == 5


@pytest.mark.parametrize("domain", [Box.cube(2, -1.0, 1.0), [(-1, 1), (-1, 1)], np.array([[-1, 1], [-1, 1]])])
def test_what_is_a_box(domain) -> None:
    assert as_box(domain) == Box.cube(2, -1.0, 1.0)


def test_a_pair_is_an_interval() -> None:
    assert as_box((0, 2)) == Box((0.0,), (2.0,))


def test_dense_sets_fill_the_box_and_differ_by_seed() -> None:
    box = Box((0.0, 5.0), (1.0, 9.0))
    points, others = box.dense(1000, 0), box.dense(1000, 1)
    assert len(points) == 1024 + 4
    assert (points >= box.lower).all()
    assert (points <= box.upper).all()
    assert np.array_equal(points, box.dense(1000, 0))
    assert not np.isin(points[:-4, 0], others[:-4, 0]).any()
    # each of 64 equal parts holds 16 points of a net with 1024 in base 2 (Sobol sequences are (0, m, 2)-nets)
    counts, *_ = np.histogram2d(*points[:1024].T, bins=8, range=[(0, 1), (5, 9)])
    assert (counts == 16).all()


def test_grid_and_corners() -> None:
    box = Box.cube(3)
    assert box.grid(4).shape == (64, 3)
    assert np.array_equal(box.grid(4)[1], [0, 0, 1 / 3])
    assert len(np.unique(box.corners(), axis=0)) == 8


def test_many_dimensions_have_no_corners() -> None:
    assert len(Box.cube(13).dense(16)) == 16


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        ((0.0,), (0.0,), "holds no open set"),
        ((1.0,), (0.0,), "goes from 1.0 to 0.0"),
        ((0.0,), (math.inf,), "compact domains"),
        ((-math.inf,), (0.0,), "compact domains"),
        ((math.nan,), (1.0,), "nan"),
        ((0.0, 0.0), (1.0,), "a box needs as many"),
        ((), (), "one number for each dimension"),
    ],
)
def test_what_is_no_box(lower, upper, message) -> None:
    with pytest.raises(ValueError, match=message):
        Box(lower, upper)


@pytest.mark.parametrize("domain", ["abc", [(0, 1, 2)], 3.0, None])
def test_other_things_are_no_domain(domain) -> None:
    with pytest.raises(TypeError, match="domain must be a Box"):
        as_box(domain)


def test_no_dimension() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Box.cube(0)


def test_a_grid_needs_two_points() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Box.cube(1).grid(1)

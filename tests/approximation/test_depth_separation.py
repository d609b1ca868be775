"""Telgarsky's sawtooth: exact piece counts, and what shallow networks cannot do."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlimits.approximation.depth_separation import (
    DepthSeparation,
    depth_rows,
    depth_separation,
    sawtooth_distance,
    units_needed,
)
from nnlimits.approximation.optimal_pieces import achieved_by_pieces, least_error_of_pieces, shallow_sawtooth
from nnlimits.approximation.relu_calculus import AffineMap, ReluNetwork, absolute, affine, identity, square
from nnlimits.approximation.relu_calculus.linear_pieces import linear_pieces, piece_bound, pieces
from nnlimits.approximation.sawtooth import layered_sawtooth, sawtooth


def teeth(k: int, x: np.ndarray) -> np.ndarray:
    """By the period: the distance to the next even multiple of 2^-k, in units of it."""
    u = np.mod(x * 2**k, 2.0)
    return np.where(u <= 1, u, 2 - u)


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_the_sawtooth(k: int) -> None:
    network = sawtooth(k)
    x = np.random.default_rng(0).random((500, 1))
    # the k-fold composition has the slope 2^k, which the rounding of the first unit grows with
    np.testing.assert_allclose(network(x)[:, 0], teeth(k, x[:, 0]), atol=2.0**k * 1e-15)
    dyadic = np.arange(2 ** (k + 1) + 1)[:, None] / 2 ** (k + 1)
    np.testing.assert_array_equal(network(dyadic)[:, 0], teeth(k, dyadic[:, 0]))
    assert (network.depth, network.width, network.units, network.weights) == (k, 2, 2 * k, 5 * k)
    found = linear_pieces(network, (0.0, 1.0))
    assert found.count == pieces(network, (0.0, 1.0)) == 2**k
    np.testing.assert_array_equal(found.breakpoints, np.arange(1, 2**k) / 2**k)
    np.testing.assert_array_equal(found.slopes[:, 0], 2.0**k * (-1.0) ** np.arange(2**k))
    assert pieces(network) == (2**k + 2 if k > 1 else 3)  # from k = 2 on, constant on both sides of [0, 1]


@pytest.mark.parametrize(("k", "depth"), [(3, 1), (5, 2), (6, 4), (4, 4)])
def test_fewer_layers(k: int, depth: int) -> None:
    network = layered_sawtooth(k, depth)
    assert network.depth == depth
    dyadic = np.arange(2 ** (k + 1) + 1)[:, None] / 2 ** (k + 1)
    np.testing.assert_array_equal(network(dyadic), sawtooth(k)(dyadic))
    assert pieces(network, (0.0, 1.0)) == 2**k
    parts = [k // depth + (layer < k % depth) for layer in range(depth)]
    assert sorted(network.widths) == sorted(2**part for part in parts)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 9999), widths=st.lists(st.integers(1, 4), min_size=1, max_size=3), outputs=st.integers(1, 2))
def test_pieces_of_random_networks(seed: int, widths: list[int], outputs: int) -> None:
    """Slopes between the breakpoints found are constant, and change at each of them; never more pieces than the bound."""
    rng = np.random.default_rng(seed)
    shapes = itertools.pairwise([1, *widths, outputs])
    network = ReluNetwork(tuple(AffineMap(rng.standard_normal(s), rng.standard_normal(s[1])) for s in shapes))
    found = linear_pieces(network)
    assert found.count <= piece_bound(*widths)
    assert piece_bound(*widths) <= math.prod(2 * width for width in widths)
    ends = np.concatenate(
        [[found.breakpoints.min(initial=0) - 1], found.breakpoints, [found.breakpoints.max(initial=0) + 1]]
    )
    # three points of each piece lie on a line of the slope found
    for low, high, slope in zip(ends[:-1], ends[1:], found.slopes, strict=True):
        x = low + (high - low) * np.array([0.25, 0.5, 0.75])
        values = network(x[:, None])
        size = 1e-12 * (1 + np.abs(values).max() + np.abs(slope).max() * (1 + np.abs(x).max()))
        expected = np.broadcast_to(slope * (x[1] - x[0]), (2, outputs))
        np.testing.assert_allclose(np.diff(values, axis=0), expected, atol=size)
    assert (np.abs(np.diff(found.slopes, axis=0)).max(axis=1) > 0).all()


def test_pieces_of_known_networks() -> None:
    assert pieces(affine(np.array([[2.0]]))) == 1
    assert pieces(absolute(1)) == 2
    assert pieces(absolute(1), (0.0, 1.0)) == 1
    assert pieces(identity(1, 5)) == 1  # its units bend, the function does not
    assert pieces(square(5), (0.0, 1.0)) == 2**5
    with pytest.raises(ValueError, match="takes 2"):
        pieces(identity(2))
    with pytest.raises(ValueError, match="ascending"):
        pieces(identity(1), (1.0, 0.0))


def test_the_bound_is_reached() -> None:
    """One layer of m units at different places, m + 1 pieces; and the sawtooth's 2^k + 2 of at most 3^k."""
    line = ReluNetwork((AffineMap([[1.0] * 5], -np.arange(5.0)), AffineMap([[1.0]] * 5, np.zeros(1))))
    assert pieces(line) == piece_bound(5) == 6
    assert piece_bound(2, 2, 2) == 27


@pytest.fixture(scope="module")
def separation() -> DepthSeparation:
    return depth_separation(4)


def test_theorem_programme_and_networks_are_in_order(separation: DepthSeparation) -> None:
    assert separation.holds
    assert (separation.theorem_l1 <= separation.theorem).all()
    # a quarter of the pieces: the theorem's number, in L^1; nothing is left of the error with all of them
    assert sawtooth_distance(8, 2**6 - 1) == 1 / 16
    assert separation.achieved[-1] == 0
    assert separation.least[0] == pytest.approx(np.sqrt(1 / 12), rel=1e-9)  # the best line is the constant 1/2
    assert separation.achieved[0] == pytest.approx(np.sqrt(1 / 12), rel=1e-12)
    # the programme leaves out a cell at each breakpoint, 1/128 of a piece of the sawtooth: it is close to what is achieved
    assert (separation.achieved[:8] <= 1.15 * separation.least[:8]).all()


def test_the_theorem_against_other_functions() -> None:
    """Random continuous functions of few pieces are no closer than the theorem says, in L^1 and in L^2."""
    k, grid = 5, (np.arange(2**14) + 0.5) / 2**14
    target, rng = teeth(k, grid), np.random.default_rng(0)
    for count in (1, 2, 4, 8):
        for _ in range(20):
            knots = np.concatenate([[0], np.sort(rng.random(count - 1)), [1]])
            apart = np.abs(np.interp(grid, knots, rng.uniform(-0.2, 1.2, count + 1)) - target)
            assert apart.mean() >= sawtooth_distance(k, count)
            assert np.sqrt(np.mean(apart**2)) >= sawtooth_distance(k, count, p=2.0)
            assert np.sqrt(np.mean(apart**2)) >= least_error[count - 1]


least_error = least_error_of_pieces(5, 8)


def test_the_least_error_is_a_bound_for_functions_that_jump() -> None:
    """Lines fitted on intervals whose ends lie anywhere, which no grid of the programme has."""
    k, grid = 5, (np.arange(2**14) + 0.5) / 2**14
    target, rng = teeth(k, grid), np.random.default_rng(1)
    for count in (1, 2, 5, 8):
        for _ in range(10):
            ends = np.concatenate([[0], np.sort(rng.random(count - 1)), [1]])
            squares = 0.0
            for low, high in itertools.pairwise(ends):
                part = (grid >= low) & (grid < high)
                if part.sum() > 2:
                    fitted = np.polynomial.Polynomial.fit(grid[part], target[part], 1)
                    squares += np.sum((fitted(grid[part]) - target[part]) ** 2)
            # midpoints in place of the integral err by (slope 32 times their distance)^2 / 24 at most
            assert np.sqrt(squares / len(grid)) >= least_error[count - 1] - 1e-5


@pytest.mark.parametrize("units", [1, 2, 7, 16, 40])
def test_shallow_networks(units: int) -> None:
    k, network = 4, shallow_sawtooth(4, units)
    assert network.depth <= 1
    assert network.units <= max(units, 2) if units < 16 else network.units <= 17
    x = (np.arange(2**14) + 0.5) / 2**14
    error = np.sqrt(np.mean((network(x[:, None])[:, 0] - teeth(k, x)) ** 2))
    assert achieved_by_pieces(k, units) == pytest.approx(error, abs=1e-6)


def test_units_by_depth() -> None:
    rows = depth_rows(8)
    assert [row.distance for row in rows] == [0.0] * 8
    assert all(row.needed <= row.built for row in rows)
    assert rows[0].needed == 2**6 - 1  # one layer of N units has N + 1 pieces at most
    assert rows[0].built == 2**8
    assert rows[-1].built == 16
    for k, depth in ((6, 1), (9, 3), (12, 5)):
        needed = units_needed(k, depth)
        assert (1 + (needed - 1) / depth) ** depth <= 2 ** (k - 2) - 1 < (1 + needed / depth) ** depth


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sawtooth(0), "k must be an integer, at least 1"),
        (lambda: layered_sawtooth(3, 4), "at most k = 3"),
        (lambda: depth_separation(9), "k must be at most 7"),
        (lambda: depth_separation(2), "at least 3"),
        (lambda: sawtooth_distance(4, 0), "count must be an integer, at least 1"),
        (lambda: sawtooth_distance(4, 1, p=0.5), "p must be at least 1"),
        (lambda: piece_bound(0), "widths must be an integer, at least 1"),
    ],
)
def test_errors(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_the_theorem_in_the_largest_difference_and_close_to_it() -> None:
    """The constant 1/2 is 1/2 away from the sawtooth, and no function of few pieces is closer."""
    distances = [sawtooth_distance(6, 4, p=p) for p in (1.0, 10.0, 1000.0, 1e5, math.inf)]
    assert distances == sorted(distances)
    assert distances[-2] == pytest.approx(0.5, rel=1e-3)
    assert distances[-1] == 0.5
    assert sawtooth_distance(6, 2**6, p=math.inf) == 0


def test_units_needed_of_many_teeth() -> None:
    units = units_needed(3000, 10)
    assert (10 + units) ** 10 > (2**2998 - 1) * 10**10 >= (9 + units) ** 10

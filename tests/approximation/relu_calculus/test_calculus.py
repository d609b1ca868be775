"""Networks that are composed, put side by side and added: the functions they are, and their exact sizes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlimits.approximation.relu_calculus import (
    AffineMap,
    ReluNetwork,
    absolute,
    add,
    affine,
    bounded_identity,
    clip,
    compose,
    compose_sparsely,
    copies,
    identity,
    linear_combination,
    maximum,
    minimum,
    pad_to_depth,
    parallel,
    piecewise_linear,
    scale,
    selection,
    stack,
)
from nnlimits.approximation.relu_calculus.linear_pieces import linear_pieces


def drawn(seed: int, sizes: list[int]) -> ReluNetwork:
    """A dense network with layers of these sizes, inputs and outputs included; some of its weights are zero."""
    rng = np.random.default_rng(seed)
    shapes = itertools.pairwise(sizes)
    weights = [rng.standard_normal(shape) * (rng.random(shape) < 0.8) for shape in shapes]
    return ReluNetwork(tuple(AffineMap(w, rng.standard_normal(w.shape[1])) for w in weights))


def reference(network: ReluNetwork, x: np.ndarray) -> np.ndarray:
    """The function with dense matrices, layer by layer."""
    for position, one in enumerate(network.maps):
        x = (np.maximum(x, 0) if position else x) @ one.weight.toarray() + one.bias
    return x


widths = st.lists(st.integers(1, 4), min_size=0, max_size=3)
sizes = st.tuples(st.integers(1, 3), widths, st.integers(1, 3))
seeds = st.integers(0, 10_000)

POINTS = np.random.default_rng(0).standard_normal((17, 3))
# outputs are of order 10: a few sums of up to four terms and their rounding
CLOSE = {"rtol": 1e-11, "atol": 1e-11}


@settings(deadline=None, max_examples=40)
@given(seed=seeds, f=widths, g=widths, d=st.integers(1, 3), middle=st.integers(1, 3), out=st.integers(1, 3))
def test_composition(seed: int, f: list[int], g: list[int], d: int, middle: int, out: int) -> None:
    inner, outer = drawn(seed, [d, *g, middle]), drawn(seed + 1, [middle, *f, out])
    merged, sparse = compose(outer, inner), compose_sparsely(outer, inner)
    x = POINTS[:, :d]
    expected = reference(outer, reference(inner, x))
    np.testing.assert_allclose(merged(x), expected, **CLOSE)
    np.testing.assert_allclose(sparse(x), expected, **CLOSE)
    assert merged.depth == outer.depth + inner.depth
    assert merged.units == outer.units + inner.units
    assert merged.width == max(outer.width, inner.width)
    assert sparse.depth == outer.depth + inner.depth + 1
    assert sparse.units == outer.units + inner.units + 2 * middle
    first, last = outer.maps[0], inner.maps[-1]
    assert sparse.weights == outer.weights + inner.weights + last.weights + first.weight.nnz
    assert sparse.weights <= 2 * (outer.weights + inner.weights)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, f=widths, g=widths, d=st.integers(1, 3))
def test_side_by_side(seed: int, f: list[int], g: list[int], d: int) -> None:
    one, other = drawn(seed, [d, *f, 2]), drawn(seed + 1, [d, *g, 2])
    x = POINTS[:, :d]
    first, second = reference(one, x), reference(other, x)
    same, separate = stack(one, other), parallel(one, other)
    np.testing.assert_allclose(same(x), np.hstack([first, second]), **CLOSE)
    np.testing.assert_allclose(separate(np.hstack([x, x[::-1]])), np.hstack([first, second[::-1]]), **CLOSE)
    np.testing.assert_allclose(add(one, other)(x), first + second, **CLOSE)
    np.testing.assert_allclose(linear_combination([2.0, -3.0], [one, other])(x), 2 * first - 3 * second, **CLOSE)
    depth = max(one.depth, other.depth)
    one, other = pad_to_depth(one, depth), pad_to_depth(other, depth)
    for both in (same, separate):
        assert both.depth == depth
        assert both.widths == tuple(np.add(one.widths, other.widths)) if depth else both.widths == ()
        assert both.weights == one.weights + other.weights
    if depth:
        total = add(one, other)
        biases = np.count_nonzero(one.maps[-1].bias + other.maps[-1].bias)
        hidden = sum(m.weights for network in (one, other) for m in network.maps[:-1])
        assert total.weights == hidden + one.maps[-1].weight.nnz + other.maps[-1].weight.nnz + biases


@settings(deadline=None, max_examples=20)
@given(seed=seeds, shape=sizes, more=st.integers(1, 3))
def test_padding_is_exact(seed: int, shape: tuple[int, list[int], int], more: int) -> None:
    d, hidden, out = shape
    network = drawn(seed, [d, *hidden, out])
    padded = pad_to_depth(network, network.depth + more)
    np.testing.assert_array_equal(padded(POINTS[:, :d]), network(POINTS[:, :d]))
    assert padded.widths == network.widths + (2 * out,) * more


def test_a_multiple_and_copies() -> None:
    network = drawn(3, [2, 4, 3, 2])
    x = POINTS[:, :2]
    np.testing.assert_allclose(scale(network, -2.5)(x), -2.5 * reference(network, x), **CLOSE)
    assert scale(network, -2.5).weights == network.weights
    tripled = copies(network, 3)
    expected = np.hstack([reference(network, x)] * 3)
    np.testing.assert_allclose(tripled(np.hstack([x] * 3)), expected, **CLOSE)
    assert tripled.weights == 3 * network.weights
    assert tripled.widths == parallel(network, network, network).widths


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_identities(depth: int) -> None:
    network = identity(3, depth)
    np.testing.assert_array_equal(network(POINTS), POINTS)
    assert network.depth == depth
    assert network.weights == (6 * (depth + 1) if depth else 3)
    assert network.width == (6 if depth else 0)


def test_the_identity_above_a_bound() -> None:
    network = bounded_identity([-5.0, 0.0, -1.0], 3)
    np.testing.assert_allclose(network(POINTS), np.maximum(POINTS, [-5.0, 0.0, -1.0]), atol=1e-15)
    assert network.widths == (3, 3, 3)


@pytest.mark.parametrize("dimension", [1, 2, 3, 5, 8])
def test_extrema(dimension: int) -> None:
    x = np.random.default_rng(dimension).standard_normal((50, dimension))
    np.testing.assert_allclose(maximum(dimension)(x)[:, 0], x.max(axis=1), atol=1e-14)
    np.testing.assert_allclose(minimum(dimension)(x)[:, 0], x.min(axis=1), atol=1e-14)
    assert maximum(dimension).depth == minimum(dimension).depth == int(np.ceil(np.log2(dimension)))
    rounds, remaining = [], dimension
    while remaining > 1:
        rounds.append(3 * (remaining // 2) + 2 * (remaining % 2))
        remaining = (remaining + 1) // 2
    assert maximum(dimension).widths == tuple(rounds)
    np.testing.assert_array_equal(absolute(dimension)(x), np.abs(x))
    assert (absolute(dimension).units, absolute(dimension).weights) == (2 * dimension, 4 * dimension)


def test_clipping_and_selection() -> None:
    np.testing.assert_allclose(
        clip([-1.0, 0.0, -0.5], [1.0, 0.3, 0.0])(POINTS), np.clip(POINTS, [-1, 0, -0.5], [1, 0.3, 0]), atol=1e-15
    )
    assert clip(0.0, 1.0).units == 2
    np.testing.assert_array_equal(selection(3, [2, 0, 2])(POINTS), POINTS[:, [2, 0, 2]])
    assert selection(3, [2, 0, 2]).weights == 3


@settings(deadline=None, max_examples=30)
@given(seed=seeds, count=st.integers(2, 12))
def test_piecewise_linear(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    knots = np.cumsum(rng.uniform(0.1, 1.0, count))
    values = rng.standard_normal((count, 2))
    x = rng.uniform(knots[0] - 1, knots[-1] + 1, 50)
    network = piecewise_linear(knots, values)
    expected = np.stack([np.interp(x, knots, column) for column in values.T], axis=1)
    # slopes are up to 60, and a dozen of them add over a length of a dozen
    np.testing.assert_allclose(network(x[:, None]), expected, atol=1e-11)
    assert network.depth == 1
    assert network.units <= count


def test_straight_knots_take_no_unit() -> None:
    assert piecewise_linear([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 2.0]).units == 2
    assert piecewise_linear([0.0, 1.0], [2.0, 2.0]).depth == 0


def test_the_expression_is_the_same_function() -> None:
    network = drawn(5, [3, 6, 5, 2])
    expression, params = network.network()
    np.testing.assert_allclose(np.asarray(expression.apply(params, POINTS)), reference(network, POINTS), **CLOSE)
    assert params[0]["weight"].dtype == np.float64
    assert network.network(dtype=np.float32)[1][0]["weight"].dtype == np.float32


def test_a_network_of_thousands_of_layers_and_units() -> None:
    deep = pad_to_depth(absolute(1), 3000)
    np.testing.assert_array_equal(deep(POINTS[:, :1]), np.abs(POINTS[:, :1]))
    wide = copies(absolute(1), 20_000)
    assert wide.units == 40_000
    assert wide(np.ones((2, 20_000))).shape == (2, 20_000)
    with pytest.raises(ValueError, match="as dense matrices"):
        wide.network()


def test_networks_are_immutable() -> None:
    network = drawn(1, [2, 3, 1])
    with pytest.raises(ValueError, match="read-only"):
        network.maps[0].bias[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        network.maps[0].weight.data[0] = 1.0


def test_weights_as_lists() -> None:
    np.testing.assert_array_equal(affine([[1.0, 2.0]])(np.ones((1, 1))), [[1.0, 2.0]])


def test_parameters_of_integers_are_refused() -> None:
    with pytest.raises(TypeError, match="dtype must be a floating-point type"):
        identity(1).network(dtype=np.int32)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReluNetwork(()), "at least one affine map"),
        (
            lambda: ReluNetwork((AffineMap(np.eye(2), np.zeros(2)), AffineMap(np.eye(3), np.zeros(3)))),
            "takes 3 numbers",
        ),
        (lambda: affine(np.array([[np.nan]])), "weight contains nan"),
        (lambda: affine(np.eye(2), np.zeros(3)), r"received \(2, 2\) and \(3,\)"),
        (lambda: compose(identity(2), identity(3)), "takes 2 numbers, and the inner one gives 3"),
        (lambda: stack(identity(2), identity(3)), "same inputs"),
        (lambda: parallel(), "at least one network"),
        (lambda: linear_combination([1.0], [identity(1), identity(1)]), "needs a coefficient"),
        (lambda: add(identity(1), stack(identity(1), identity(1))), "as many outputs"),
        (lambda: scale(identity(1), np.inf), "coefficients contains inf"),
        (lambda: pad_to_depth(identity(1, 3), 2), "less than the network's own, 3"),
        (lambda: clip(1.0, 0.0), "must not exceed"),
        (lambda: piecewise_linear([0.0, 0.0], [1.0, 2.0]), "ascending"),
        (lambda: piecewise_linear([0.0, 1.0], [1.0]), "one row for each of 2 knots"),
        (lambda: selection(2, [2]), "coordinates from 0 to 1"),
        (lambda: selection(2, [0.7]), r"coordinates from 0 to 1; received \[0.7\]"),
        (lambda: affine(np.ones(3)), r"weight must be a matrix .* received shape \(3,\)"),
        (lambda: linear_pieces(identity(1), (0, 1, 2)), "domain must be two numbers"),
        (lambda: identity(2)(np.zeros((4, 3))), "takes 2 inputs"),
        (lambda: identity(2)(np.full((1, 2), np.nan)), "x contains nan"),
    ],
)
def test_errors(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]

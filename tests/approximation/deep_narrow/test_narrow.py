"""Deep narrow networks against their shallow parents."""

import time
from fractions import Fraction

import jax
import mpmath
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation import Box, from_weights, narrow
from nnlimits.approximation.compiled import compiled
from nnlimits.approximation.deep_narrow import hidden_layer, narrowed, passing
from nnlimits.approximation.deep_narrow.narrow import compiled_through
from nnlimits.approximation.deep_narrow.partial_sums import partial_sums, well_ordered
from nnlimits.approximation.deep_narrow.passing import passing_at

BOX = Box((-1.0, 0.0), (1.0, 2.0))


def parent(activation, units=200, outputs=2, inputs=2):
    rng = np.random.default_rng(0)
    inner = rng.standard_normal((inputs, units)) / inputs**0.5, rng.standard_normal(units)
    outer = rng.standard_normal((units, outputs)) / units**0.5, rng.standard_normal(outputs) / 10
    return from_weights([inner, outer], activation)


def difference(activation, dtype, units=200, outputs=2):
    network, params = parent(activation, units, outputs)
    found = narrowed(network, params, BOX, dtype=dtype)
    x = BOX.dense(500, seed=9).astype(dtype)
    wanted = hidden_layer(network, params, 2)(x.astype(np.float64))
    got = np.asarray(compiled(found.network, found.params, x))
    assert got.dtype == dtype
    return found, float(np.abs(got - wanted).max())


PASSES = [nn.Relu(), nn.Tanh(), nn.Softplus()]
OTHERS = [
    nn.Gelu(),
    nn.Selu(),
    nn.Erf(),
    nn.Sin(),
    nn.Silu(),
    nn.Mish(),
    nn.Elu(),
    nn.LeakyRelu(),
    nn.HardTanh(),
    nn.Abs(),
    nn.ABRelu(-0.5, 0.0),
]
"""Activations that let values pass with the error of a product at each layer."""


@pytest.mark.parametrize(
    "activation", [*PASSES, *(pytest.param(one, marks=pytest.mark.slow) for one in OTHERS)], ids=repr
)
def test_equals_its_parent_of_200_units_in_single_precision(activation):
    found, error = difference(activation, np.float32)
    assert (
        error < 5e-6
    )  # asked for are 1e-5; roundings of 100 or 200 layers, each a share of what the sums hold by then
    assert error < found.truncation + found.rounding
    assert found.truncation < 1e-6


@pytest.mark.parametrize("activation", [nn.Relu(), nn.Softplus()], ids=repr)
def test_equals_its_parent_in_double_precision(activation):
    found, error = difference(activation, np.float64)
    assert error < min(3e-14, found.truncation + found.rounding)


WITHOUT_ZERO = {nn.Sigmoid(): 1e-4, nn.Cos(): 3e-4, nn.Gaussian(): 8e-4}
"""Activations without a place where small values keep their digits, and twice their distance from the parent in float32."""


@pytest.mark.parametrize(
    "activation",
    [nn.Sigmoid(), *(pytest.param(one, marks=pytest.mark.slow) for one in (nn.Cos(), nn.Gaussian()))],
    ids=repr,
)
def test_activations_without_a_zero_lose_digits_as_the_bound_says(activation):
    # reach r costs r^2 by truncation and eps / r by rounding; balanced, eps^(2/3)
    found, error = difference(activation, np.float64)
    assert 1e-12 < error < 1e-8
    assert error < found.truncation + found.rounding
    found, error = difference(activation, np.float32)
    assert 1e-6 < error < WITHOUT_ZERO[activation]
    assert error < found.truncation + found.rounding


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", WITHOUT_ZERO, ids=repr)
def test_the_reach_balances_truncation_and_rounding(activation, dtype):
    network, params = parent(activation)
    layer, x = hidden_layer(network, params, 2), BOX.dense(500, seed=9).astype(dtype)
    wanted, chosen = layer(x.astype(np.float64)), passing(activation, dtype)
    errors = {}
    for exponent in range(-2, 5 if dtype == np.float64 else 2):  # in float32 larger reaches are refused
        reach = chosen.reach * 2.0**exponent
        through = passing_at(activation, chosen.point, reach, float(np.finfo(dtype).eps) / 2)
        found = compiled_through(layer, BOX, through, np.dtype(dtype))
        errors[exponent] = float(np.abs(np.asarray(compiled(found.network, found.params, x)) - wanted).max())
        assert errors[exponent] < found.truncation + found.rounding
    assert min(errors, key=errors.__getitem__) == 0
    # rounding by 1 / r, of which each reach draws other ones; truncation by r^2, of one sign
    assert np.log2(errors[-2] / errors[0]) / 2 == pytest.approx(1, abs=0.3)
    if dtype == np.float64:
        assert np.log2(errors[4] / errors[2]) / 2 == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("activation", [nn.Relu(), nn.Tanh()], ids=repr)
def test_width_and_depth_are_the_theorems(activation, inputs, outputs):
    network, params = parent(activation, 7, outputs, inputs)
    found = narrowed(network, params, Box.cube(inputs))
    extra, depth = (1, 7) if activation == nn.Relu() else (2, 4)
    assert (found.width, found.depth) == (inputs + outputs + extra, depth)
    assert found.network.layers[0].width == found.width
    assert found.network.layers[2].block.layers[0].width == found.width
    assert found.network.layers[2].depth == depth - 1
    assert found.params[0]["weight"].shape == (inputs, found.width)
    assert found.params[2]["tail"][0]["weight"].shape == (depth - 1, found.width, found.width)


@pytest.mark.parametrize("units", [1, 3])
def test_few_units(units):
    for activation in (nn.Relu(), nn.Tanh()):
        _, error = difference(activation, np.float64, units, 1)
        assert error < 1e-14


def test_relu_is_exact_in_rational_arithmetic():
    rng = np.random.default_rng(0)
    inner, outer = rng.integers(-8, 9, (2, 12)) / 4, rng.integers(-8, 9, (12, 2)) / 4
    inner_bias, outer_bias = rng.integers(-8, 9, 12) / 4, rng.integers(-8, 9, 2) / 4
    network, params = from_weights([(inner, inner_bias), (outer, outer_bias)], nn.Relu())
    found = narrowed(network, params, BOX)
    assert found.truncation == 0
    assert found.proved
    rational = np.vectorize(Fraction, otypes=[object])
    x = rational(np.round(BOX.dense(32, seed=1) * 64) / 64)
    first, _, repeated, last = found.params
    z = np.maximum(x @ rational(first["weight"]) + rational(first["bias"]), 0)
    for weight, bias in zip(repeated["tail"][0]["weight"], repeated["tail"][0]["bias"], strict=True):
        z = np.maximum(z @ rational(weight) + rational(bias), 0)
    got = z @ rational(last["weight"]) + rational(last["bias"])
    wanted = np.maximum(x @ rational(inner) + rational(inner_bias), 0) @ rational(outer) + rational(outer_bias)
    # biases are rounded sums of dyadic numbers and bounds of partial sums: within a rounding of each of 12 layers
    assert max(abs(got - wanted).ravel()) < 12 * 2.0**-48
    assert max(abs(got - wanted).ravel()) <= found.rounding


def test_truncation_bounds_the_distance_in_real_numbers():
    network, params = parent(nn.Sigmoid(), 12, 1)
    found = narrowed(network, params, BOX, dtype=np.float32)  # a larger reach, so that the truncation is large
    layer = hidden_layer(network, params, 2)
    sigmoid = np.vectorize(lambda z: 1 / (1 + mpmath.exp(-z)), otypes=[object])
    exact = np.vectorize(lambda value: mpmath.mpf(float(value)), otypes=[object])
    with mpmath.workdps(40):
        x = exact(BOX.dense(8, seed=1))
        first, _, repeated, last = found.params
        z = sigmoid(x @ exact(first["weight"]) + exact(first["bias"]))
        for weight, bias in zip(repeated["tail"][0]["weight"], repeated["tail"][0]["bias"], strict=True):
            z = sigmoid(z @ exact(weight) + exact(bias))
        got = z @ exact(last["weight"]) + exact(last["bias"])
        wanted = sigmoid(x @ exact(layer.inner) + exact(layer.inner_bias)) @ exact(layer.outer) + exact(
            layer.outer_bias
        )
        distance = float(max(abs(got - wanted).ravel()))
    # what the parameters' rounding to float32 adds is smaller by far
    assert found.truncation / 100 < distance < found.truncation


@pytest.mark.parametrize("parameterization", ["ntk", "standard", "mup", "mean_field"])
def test_reads_every_parameterization(parameterization):
    network = nn.Sequential(nn.Dense(5, b_std=1.0), nn.Tanh(), nn.Dense(2), parameterization=parameterization)
    params = network.init(jax.random.key(0), (2,), dtype=np.float64)
    x = BOX.dense(16, seed=2)
    wanted = np.asarray(compiled(network, params, x))
    np.testing.assert_allclose(hidden_layer(network, params, 2)(x), wanted, atol=1e-14)
    deep, deep_params = narrow(network, params, BOX)
    np.testing.assert_allclose(np.asarray(compiled(deep, deep_params, x)), wanted, atol=1e-13)


def test_reads_nested_sequences_and_other_affine_layers():
    network = nn.Sequential(
        nn.Flatten(),
        nn.Sequential(nn.Dense(3), nn.Scale(2.0), nn.Dense(4)),
        nn.Relu(),
        nn.Identity(),
        nn.Dense(1, b_std=None),
    )
    params = network.init(jax.random.key(1), (2,), dtype=np.float64)
    x = BOX.dense(16, seed=2)
    wanted = np.asarray(compiled(network, params, x))
    np.testing.assert_allclose(hidden_layer(network, params, 2)(x), wanted, atol=1e-14)


def test_partial_sums_are_bounded_and_small_in_a_good_order():
    # kinks of an interpolation, shuffled: sums in the order of the kinks stay within the function's range
    kinks = np.random.default_rng(0).permutation(np.linspace(0, 1, 64))
    weights = 20 * np.cos(40 * kinks)
    network, params = from_weights([(np.ones((1, 64)), -kinks), (weights[:, None], np.zeros(1))], nn.Relu())
    layer, box = hidden_layer(network, params, 1), Box((0.0,), (1.0,))
    ordered = well_ordered(layer, box)
    x = box.dense(200, seed=4)
    np.testing.assert_allclose(ordered(x), layer(x), atol=1e-12)
    shuffled, sums = partial_sums(layer, box, 1), partial_sums(ordered, box, 1)
    assert sums.proved
    assert (sums.high - sums.low).max() < 0.5 * (shuffled.high - shuffled.low).max()
    hidden = np.maximum(x - 0 + ordered.inner_bias, 0)[:, :, None] * ordered.outer
    running = np.concatenate([np.zeros((len(x), 1, 1)), np.cumsum(hidden, axis=1)[:, :-1]], axis=1)
    assert (running >= sums.low - 1e-12).all()
    assert (running <= sums.high + 1e-12).all()


def test_a_thousand_layers_run_as_a_loop():
    network, params = parent(nn.Relu(), 1024, 1)
    found = narrowed(network, params, BOX)
    x = BOX.dense(256, seed=9)
    assert found.depth == 1024
    np.testing.assert_allclose(
        np.asarray(compiled(found.network, found.params, x)), hidden_layer(network, params, 2)(x), atol=1e-12
    )
    times = []
    for _ in range(3):
        start = time.perf_counter()
        np.asarray(compiled(found.network, found.params, x))
        times.append(time.perf_counter() - start)
    assert min(times) < 1  # 0.03 s on one core


def test_refusals_name_what_stands_in_the_way():
    network, params = parent(nn.Relu(), 3)
    deep = nn.Sequential(nn.Dense(3), nn.Relu(), nn.Dense(3), nn.Relu(), nn.Dense(1))
    with pytest.raises(ValueError, match="one activation; it has 2"):
        narrow(deep, ((),) * 5, BOX)
    affine = nn.Sequential(nn.Dense(3))
    with pytest.raises(ValueError, match="an affine function needs no depth"):
        narrow(affine, ((),), BOX)
    normalized = nn.Sequential(nn.Dense(3), nn.LayerNorm(), nn.Relu(), nn.Dense(1))
    with pytest.raises(ValueError, match="LayerNorm"):
        narrow(normalized, ((),) * 4, BOX)
    with pytest.raises(ValueError, match=r"activation=nn.Tanh\(\), and the shallow network's is nn.Relu\(\)"):
        narrow(network, params, BOX, nn.Tanh())
    with pytest.raises(TypeError, match="network must be a network"):
        narrow(lambda x: x, params, BOX)
    with pytest.raises(ValueError, match="unbounded"):
        narrow(network, params, [(0, np.inf), (0, 1)])
    broken = jax.tree.map(lambda leaf: np.asarray(leaf) * np.nan, params)
    with pytest.raises(ValueError, match="not finite"):
        narrow(network, broken, BOX)
    with pytest.raises(ValueError, match="one entry for each"):
        narrow(network, params[:2], BOX)


def test_refuses_more_layers_than_values_survive():
    network, params = parent(nn.Monomial(2), 200)
    with pytest.raises(ValueError, match=r"do not survive 100 layers.*float32.*dtype=np.float64"):
        narrow(network, params, BOX, dtype=np.float32)

"""Certificates, measured errors, networks from matrices, and the value that holds them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation import Box, Certificate, Target, adversarial_error, from_weights, measured_error, verify
from nnlimits.approximation.approximation import Approximation, approximation
from nnlimits.approximation.compiled import compiled
from nnlimits.approximation.measured_error import stratified_error
from nnlimits.approximation.rounding import rounding_bound

RNG = np.random.default_rng(0)
LAYERS = [(RNG.standard_normal((2, 5)), RNG.standard_normal(5)), (RNG.standard_normal((5, 3)), RNG.standard_normal(3))]


def test_a_network_from_matrices_is_their_composition() -> None:
    network, params = from_weights(LAYERS, nn.Tanh())
    x = RNG.standard_normal((7, 2))
    (w1, b1), (w2, b2) = LAYERS
    with jax.enable_x64(True):
        y = np.asarray(network.apply(params, x))
    assert np.allclose(y, np.tanh(x @ w1 + b1) @ w2 + b2, rtol=1e-13, atol=1e-13)
    assert from_weights(LAYERS, nn.Tanh(), dtype=np.float32)[1][0]["weight"].dtype == np.float32


def test_a_network_from_matrices_has_the_shapes_of_an_initialized_one() -> None:
    network, params = from_weights(LAYERS, nn.Relu())
    fresh = network.init(jax.random.key(0), (2,))
    assert jax.tree.map(np.shape, fresh) == jax.tree.map(np.shape, params)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "layers is empty"),
        ([LAYERS[0], LAYERS[0]], r"layer 1 must have weights \(5, width\)"),
        ([(np.array([[np.nan]]), np.zeros(1))], "weights of layer 0 contains nan"),
    ],
)
def test_matrices_that_do_not_follow(layers, message) -> None:
    with pytest.raises(ValueError, match=message):
        from_weights(layers, nn.Relu())


def test_measured_error_against_a_closed_form() -> None:
    # the difference is x^2 on [0, 1]: sup 1, L2 1 / sqrt(5), L4 (1 / 9)^(1/4); a Sobol set of 2^14 points integrates
    # smooth functions to 1e-4
    target = Target(lambda x: x[:, 0] ** 2, Box.cube(1))
    error = measured_error(target, lambda x: np.zeros_like(x), points=2**14)
    assert error.sup == 1
    assert np.array_equal(error.worst, [1.0])
    assert np.isclose(error.l2, 1 / np.sqrt(5), atol=1e-3)
    assert np.isclose(error.lp(4.0), 9**-0.25, atol=1e-3)
    assert error.points == 2**14 + 2 == len(error.differences)


def test_corners_count_for_the_largest_difference_and_not_for_means() -> None:
    # the difference is the number of coordinates beyond 0.9: 2^10 corners among 2^10 points would double its mean of squares
    target = Target(lambda x: (x > 0.9).sum(1).astype(float), Box.cube(10))
    error = measured_error(target, lambda x: np.zeros((len(x), 1)), points=2**10)
    assert error.sup == 10
    assert error.points == 2**11
    # the mean of squares is 10 * 0.09 + 1 = 1.9; plain Monte Carlo of 1,024 points would leave 0.06
    assert error.l2**2 == pytest.approx(1.9, abs=0.2)
    assert error.lp(2.0) == pytest.approx(error.l2)


def test_differences_in_small_parts_are_measured_in_strata() -> None:
    # 1e-9 of the interval, on which the difference is linear: its square has the mean 1e-9 / 3
    target = Target(lambda x: np.where(x[:, 0] < 0.5, 0.0, np.clip((x[:, 0] - 0.5) * 1e9, 0, 1)), Box.cube(1))
    strata = [Box((0.0,), (0.5,)), Box((0.5,), (0.5 + 1e-9,)), Box((0.5 + 1e-9,), (1.0,))]
    error = stratified_error(target, lambda x: (x > 0.5 + 1e-9).astype(float), strata, points=2**12)
    assert error.l2 == pytest.approx((1e-9 / 3) ** 0.5, rel=1e-3)
    assert error.lp(1.0) == pytest.approx(1e-9 / 2, rel=1e-3)
    assert error.sup == pytest.approx(1.0, abs=1e-6)
    assert error.shares.sum() == pytest.approx(1)


def test_of_several_outputs_the_worst_counts() -> None:
    target = Target(lambda x: np.stack([x[:, 0], 3 * x[:, 0]], 1), Box.cube(1))
    error = measured_error(target, lambda x: np.zeros((len(x), 2)), points=256)
    assert error.sup == 3
    assert np.isclose(error.l2, np.sqrt(3), atol=0.05)


@pytest.mark.parametrize(
    ("network", "message"),
    [(lambda x: np.zeros((len(x), 2)), "outputs have shape"), (lambda x: x * np.nan, "the network's output at")],
)
def test_networks_that_cannot_be_measured(network, message) -> None:
    with pytest.raises(ValueError, match=message):
        measured_error(Target(lambda x: x[:, 0], Box.cube(1)), network, points=16)


def identity(bound: float, norm: Any = "sup", p: float | None = None):
    network, params = from_weights([(np.ones((1, 1)), np.zeros(1))], nn.Relu())
    target = Target(lambda x: x[:, 0] + x[:, 0] ** 2, Box.cube(1))
    return approximation(network, params, target, Certificate("T", bound, norm, p=p), points=256)


def test_holds_compares_in_the_norm_of_the_certificate() -> None:
    assert identity(1.0).holds
    assert not identity(0.99).holds
    # the mean of x^4 is 1/5: with 258 points a bound that is 0.1 percent too small is not told from a true one, half of it is
    assert identity(0.5, "L2").holds
    assert identity(0.999 * 5**-0.5, "L2").holds
    assert not identity(0.5 * 5**-0.5, "L2").holds
    assert not identity(0.5 * 9**-0.25, "Lp", 4.0).holds
    assert np.isclose(identity(1.0, "Lp", 4.0).measured, 9**-0.25, atol=0.02)
    assert np.allclose(identity(1.0)(np.array([[0.25]])), 0.25)


def test_another_precision_is_measured_anew_and_its_rounding_is_certified() -> None:
    exact = identity(1.0)
    single = exact.astype(np.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(single.params)} == {np.dtype(np.float32)}
    assert abs(single.error.sup - 1) < 1e-6
    assert single.holds
    # one product and one sum of numbers up to one, and the rounding of the point
    assert 6e-8 < single.certificate.bound - 1 < 1e-6
    assert exact.astype(np.float64).certificate == exact.certificate
    assert single.astype(np.float64).certificate == single.certificate
    for dtype in (int, "number", complex):
        with pytest.raises(TypeError, match="dtype must be one of real numbers"):
            exact.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, jnp.bfloat16])
def test_rounding_is_bounded(dtype) -> None:
    """For random networks of two hidden layers, against what is computed in double precision."""
    rng = np.random.default_rng(3)
    layers = [(rng.standard_normal(shape), rng.standard_normal(shape[1])) for shape in ((2, 9), (9, 7), (7, 2))]
    for activation in (nn.Tanh(), nn.Relu(), nn.Gelu()):
        network, params = from_weights(layers, activation)
        box = Box((-1.0, 0.0), (1.0, 100.0))
        bound = rounding_bound(network, params, box, dtype)
        x = box.dense(500)
        low = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), params)
        apart = np.abs(
            np.asarray(compiled(network, low, x.astype(dtype)), float) - np.asarray(compiled(network, params, x))
        ).max()
        assert apart <= bound
        assert apart > bound / 5000  # worst cases add up where random ones cancel


def test_rounding_without_a_bound_is_not_rigorous() -> None:
    target = Target(lambda x: 0 * x[:, 0], Box.cube(1))
    proved = Certificate("T", 10.0, "sup", rigorous=True)
    for network, params in (
        from_weights([(np.ones((1, 1)), np.zeros(1))] * 2, nn.Step()),
        (nn.Sequential(nn.Residual(nn.Dense(1)), parameterization="standard"), None),
        from_weights([(1e6 * np.ones((1, 1)), np.zeros(1))] * 2, nn.Relu()),  # more than half precision holds
    ):
        params = jax.tree.map(np.asarray, network.init(jax.random.key(0), (1,))) if params is None else params
        found = Approximation(network, params, target, measured_error(target, lambda x: 0 * x, points=16), proved)
        rounded = found._rounded(np.dtype(np.float16))
        assert rounded.bound == 10
        assert not rounded.rigorous
        assert "rounding to float16" in rounded.assumptions[-1]


def test_a_certificate_says_what_it_took() -> None:
    certificate = Certificate("Theorem 1", 0.5, "Lp", {"L": 2.0}, ("f is kind",), p=3.0)
    text = str(certificate)
    for part in ("Theorem 1: at most 0.5 in L^3, with estimated constants", "L = 2", "assumed: f is kind"):
        assert part in text
    with pytest.raises(TypeError):
        certificate.constants["L"] = 3.0  # type: ignore[index]
    assert "proved" in str(Certificate("T", 1.0, "sup", rigorous=True))


def test_arguments_of_other_types() -> None:
    with pytest.raises(TypeError):
        measured_error(lambda x: x, lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="points must be an integer, at least 1"):
        measured_error(Target(lambda x: x[:, 0], Box.cube(1)), lambda x: x, points=0)
    with pytest.raises(TypeError):
        from_weights(LAYERS, jnp.tanh)  # type: ignore[arg-type]
    for search in (verify, adversarial_error):
        with pytest.raises(TypeError):
            search(3)

"""The fully connected layer: its formula, its initial statistics, its errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nnlimits import nn


def _wide(parameterization):
    return nn.Sequential(nn.Dense(400, w_std=1.5, b_std=0.5), parameterization=parameterization)


def test_formula_in_the_ntk_parameterization():
    layer = nn.Dense(2, w_std=3.0, b_std=0.5)
    params = {"weight": jnp.array([[1.0, 2.0], [0.0, -1.0], [1.0, 1.0], [2.0, 0.0]]), "bias": jnp.array([1.0, -2.0])}
    x = jnp.array([[1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_allclose(layer.apply(params, x), [[3 / 2 * 12 + 0.5, 3 / 2 * 3 - 1.0]], rtol=1e-6)


def test_parameters_of_the_ntk_parameterization_are_standard_normal():
    """160,400 draws; the Kolmogorov-Smirnov test fails a right sampler once in 10^4 seeds."""
    (params,) = _wide("ntk").init(jax.random.key(0), (400,))
    assert params["weight"].shape == (400, 400)
    assert params["bias"].shape == (400,)
    for array in params.values():
        assert stats.kstest(np.ravel(array), "norm").pvalue > 1e-4


def test_parameters_of_the_standard_parameterization_carry_the_scales():
    """As above, with weights of deviation w_std / sqrt(fan_in) and biases of deviation b_std."""
    (params,) = _wide("standard").init(jax.random.key(1), (400,))
    assert stats.kstest(np.ravel(params["weight"]), "norm", args=(0, 1.5 / 20)).pvalue > 1e-4
    assert stats.kstest(np.ravel(params["bias"]), "norm", args=(0, 0.5)).pvalue > 1e-4


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_outputs_have_the_variance_of_the_first_layer_kernel(parameterization):
    """20,000 independent outputs, each N(0, w^2 |x|^2 / d + b^2): KS test as above, seed 2."""
    net = nn.Sequential(nn.Dense(20_000, w_std=1.5, b_std=0.5), parameterization=parameterization)
    x = jnp.array([[1.0, -2.0, 0.5]])
    outputs = net.apply(net.init(jax.random.key(2), (3,)), x)
    variance = 1.5**2 * 5.25 / 3 + 0.25
    assert stats.kstest(np.ravel(outputs), "norm", args=(0, np.sqrt(variance))).pvalue > 1e-4


def test_weights_and_biases_are_independent_draws():
    params = nn.Dense(5).init(jax.random.key(0), (1,))
    assert not np.allclose(params["weight"][0], params["bias"])


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: nn.Dense(-3), ValueError, "width must be an integer, at least 1; received -3"),
        (lambda: nn.Dense(0), ValueError, "width must be an integer, at least 1; received 0"),
        (lambda: nn.Dense(512.0), TypeError, r"width must be an integer; received 512\.0"),
        (lambda: nn.Dense("512"), TypeError, "width must be an integer; received '512'"),
        (lambda: nn.Dense(3, w_std=-1.0), ValueError, r"w_std must be at least 0; received -1\.0"),
        (lambda: nn.Dense(3, w_std=float("nan")), ValueError, "w_std must be finite; received nan"),
        (lambda: nn.Dense(3, b_std="0"), TypeError, "b_std must be a real number; received '0'"),
        (lambda: nn.Dense(3, b_std=np.ones(2)), TypeError, "b_std must be a real number"),
    ],
)
def test_refuses(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_refuses_inputs_that_are_not_flat():
    with pytest.raises(ValueError, match=r"Dense expects a flat input; it received \(4, 4\)\. Add nn\.Flatten\(\)\."):
        nn.Dense(3).init(jax.random.key(0), (4, 4))


def test_refuses_inputs_its_parameters_were_not_made_for():
    params = nn.Dense(3).init(jax.random.key(0), (4,))
    with pytest.raises(
        ValueError, match=r"Dense has parameters for other inputs than \(5,\): its weight has shape \(4, 3\)"
    ):
        nn.Dense(3).apply(params, jnp.ones((2, 5)))

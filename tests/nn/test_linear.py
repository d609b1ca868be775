"""The linear map of chosen axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nnlimits import nn

KEY = jax.random.key(0)
SHAPE = (4, 3, 2)


@pytest.mark.parametrize(
    ("axes", "sum_", "output"),
    [
        ((-1,), "nabc,cw->nabw", (4, 3, 5)),
        ((2,), "nabc,cw->nabw", (4, 3, 5)),
        ((0, -1), "nabc,acw->nbw", (3, 5)),
        ((-1, 1), "nabc,bcw->naw", (4, 5)),
        ((0, 1, 2), "nabc,abcw->nw", (5,)),
    ],
    ids=str,
)
def test_formula(axes, sum_, output, x64):
    layer = nn.Linear(5, axes=axes, w_std=1.5, b_std=0.5)
    params, x = layer.init(KEY, SHAPE), np.random.default_rng(0).normal(size=(2, *SHAPE))
    weight, bias = np.asarray(params["weight"]), np.asarray(params["bias"])
    expected = 1.5 / np.sqrt(np.prod(weight.shape[:-1])) * np.einsum(sum_, x, weight) + 0.5 * bias
    np.testing.assert_allclose(layer.apply(params, x), expected, rtol=1e-12)
    assert layer.output_shape(SHAPE) == output


def test_it_is_dense_after_flatten(x64):
    x = np.random.default_rng(0).normal(size=(2, *SHAPE))
    params = nn.Linear(5, axes=(0, 1, 2)).init(KEY, SHAPE)
    flat = {"weight": params["weight"].reshape(24, 5), "bias": params["bias"]}
    np.testing.assert_allclose(
        nn.Linear(5, axes=(0, 1, 2)).apply(params, x), nn.Dense(5).apply(flat, x.reshape(2, 24)), rtol=1e-12
    )
    params = nn.Dense(5).init(KEY, (4,))
    np.testing.assert_allclose(nn.Linear(5).apply(params, x[:, :, 0, 0]), nn.Dense(5).apply(params, x[:, :, 0, 0]))


def test_outputs_have_the_variance_of_the_first_layer_kernel():
    """5,000 features of N(0, w^2 mean(x^2) + b^2): the KS test fails a right sampler once in 10^4 seeds."""
    x = jnp.linspace(-1, 2, 24).reshape(1, *SHAPE)
    net = nn.Sequential(nn.Linear(5000, axes=(1, 2), w_std=1.5, b_std=0.5), parameterization="standard")
    y = np.asarray(net.apply(net.init(KEY, SHAPE), x))[0, 3]
    variance = 1.5**2 * float(jnp.mean(x[0, 3] ** 2)) + 0.25
    assert stats.kstest(y, "norm", args=(0, np.sqrt(variance))).pvalue > 1e-4


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Linear(2, axes=()), ValueError, r"axes must be a tuple of different axes.*; received \(\)"),
        (lambda: nn.Linear(2, axes=(-1, -1)), ValueError, "axes must be a tuple of different axes"),
        (lambda: nn.Linear(2, axes=(1.0,)), TypeError, r"axes\[0\] must be an integer; received 1\.0"),
        (lambda: nn.Linear(2, axes="all"), TypeError, r"axes\[0\] must be an integer; received 'all'"),
        (lambda: nn.Linear(2, axes=(0,)).output_shape((4, 3)), nn.ShapeError, "must contract the last axis.*Add -1"),
        (
            lambda: nn.Linear(2, axes=(2, -1)).output_shape((4, 3, 2)),
            nn.ShapeError,
            r"axes=\(2, -1\), which are not dif",
        ),
        (lambda: nn.Linear(2, axes=(-3, -1)).output_shape((4, 3)), nn.ShapeError, r"not different axes of its input"),
        (lambda: nn.Linear(2).output_shape(()), nn.ShapeError, "not different axes of its input"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""The convolution without weight sharing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nnlimits import nn

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding"),
    [
        ((6, 3), (3,), (1,), "same"),
        ((6, 2), (2,), (2,), "valid"),
        ((6, 2), (3,), (2,), "circular"),
        ((4, 6, 2), (3, 2), (2, 1), "same"),
        ((3, 4, 2, 1), (1, 3, 1), (1, 2, 1), "circular"),
    ],
    ids=str,
)
def test_formula(shape, kernel, stride, padding, patches, x64, standard_normal):
    layer = nn.LocallyConnected(4, kernel, stride=stride, padding=padding, w_std=1.5, b_std=0.5)
    params, x = standard_normal(layer, shape), np.random.default_rng(0).normal(size=(2, *shape))
    seen = patches(x, kernel, stride, (1,) * len(kernel), padding)
    assert params["weight"].shape == (*seen.shape[1:], 4)
    weight, bias = np.asarray(params["weight"]), np.asarray(params["bias"])
    expected = np.zeros((2, *layer.output_shape(shape)))
    for p in np.ndindex(*expected.shape[1:-1]):
        mapped = np.tensordot(seen[(slice(None), *p)], weight[p], axes=len(kernel) + 1)
        expected[(slice(None), *p)] = 1.5 / np.sqrt(np.prod(kernel) * shape[-1]) * mapped + 0.5 * bias[p]
    np.testing.assert_allclose(layer.apply(params, x), expected, rtol=1e-12, atol=1e-13)


def test_positions_draw_independently():
    """At two positions that see equal patches, 5,000 channels are uncorrelated: deviation 1 / sqrt(5000), five of them."""
    layer = nn.LocallyConnected(5000, 3, padding="circular")
    y = np.asarray(layer.apply(layer.init(KEY, (4, 1)), jnp.ones((1, 4, 1))))[0]
    assert abs(np.corrcoef(y[0], y[1])[0, 1]) < 5 / np.sqrt(5000)
    assert stats.kstest(y[0], "norm").pvalue > 1e-4


def test_refuses():
    with pytest.raises(
        nn.ShapeError, match=r"LocallyConnected has a window of extent .*larger than its input's positions"
    ):
        nn.LocallyConnected(2, 5, padding="valid").init(KEY, (4, 2))
    layer = nn.LocallyConnected(2, 3)
    with pytest.raises(nn.ShapeError, match=r"LocallyConnected has parameters for other inputs than \(5, 2\)"):
        layer.apply(layer.init(KEY, (4, 2)), jnp.ones((1, 5, 2)))

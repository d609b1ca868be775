"""The embedding of tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nnlimits import nn

KEY = jax.random.key(0)
LAYER = nn.Embedding(5, 3, w_std=1.5)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.float32, np.float64, bool])
def test_formula_for_tokens_of_any_dtype(dtype):
    tokens = np.array([[0, 1], [1, 1]]) if dtype is bool else np.array([[0, 4], [1, 3]])
    params = LAYER.init(KEY, (2,))
    expected = 1.5 * np.asarray(params["weight"])[tokens]
    np.testing.assert_allclose(LAYER.apply(params, tokens.astype(dtype)), expected, rtol=1e-6)


def test_tokens_on_a_grid():
    params, tokens = LAYER.init(KEY, (2, 3)), np.arange(6).reshape(1, 2, 3) % 5
    np.testing.assert_allclose(LAYER.apply(params, tokens), 1.5 * np.asarray(params["weight"])[tokens], rtol=1e-6)
    assert LAYER.output_shape((2, 3)) == (2, 3, 3)


def test_outputs_have_variance_w_std_squared():
    """10,000 channels; the KS test fails a right sampler once in 10^4 seeds."""
    for parameterization in ("ntk", "standard"):
        net = nn.Sequential(nn.Embedding(5, 10_000, w_std=1.5), parameterization=parameterization)
        y = net.apply(net.init(KEY, (1,)), np.array([[3]]))
        assert stats.kstest(np.ravel(y), "norm", args=(0, 1.5)).pvalue > 1e-4


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([[0, 5]], r"integers from 0 to 4; x has 5 at index \(0, 1\) \(1 such entries\)"),
        ([[0, 1], [-1, 7]], r"x has -1 at index \(1, 0\) \(2 such entries\)"),
        ([[0.5, 1]], r"x has 0\.5 at index \(0, 0\)"),
        ([[0, np.nan]], r"x has nan at index \(0, 1\)"),
        ([[np.inf, 0]], r"x has inf at index \(0, 0\)"),
    ],
)
def test_refuses_other_tokens_and_gives_nan_where_values_are_unknown(tokens, message):
    params, tokens = LAYER.init(KEY, (2,)), np.array(tokens, np.float32)
    with pytest.raises(ValueError, match=message):
        LAYER.apply(params, tokens)
    wrong = ~np.isin(tokens, range(5))
    np.testing.assert_array_equal(np.isnan(jax.jit(LAYER.apply)(params, tokens)).all(-1), wrong)


def test_refuses_a_dtype_too_narrow_for_the_vocabulary():
    layer = nn.Embedding(1000, 2)
    params = layer.init(KEY, (1,), dtype=jnp.bfloat16)
    with pytest.raises(
        ValueError, match=r"bfloat16, which holds integers exactly up to 256, fewer than its vocabulary"
    ):
        layer.apply(params, np.array([[900]]))


def test_gradient_counts_the_tokens():
    tokens = np.array([[1, 3, 1]])
    gradient = jax.grad(lambda params: LAYER.apply(params, tokens).sum())(LAYER.init(KEY, (3,)))["weight"]
    np.testing.assert_allclose(gradient, 1.5 * np.array([0, 2, 0, 1, 0])[:, None] * np.ones(3), rtol=1e-6)


def test_refuses():
    with pytest.raises(ValueError, match="vocabulary must be an integer, at least 1; received 0"):
        nn.Embedding(0, 3)
    with pytest.raises(ValueError, match=r"Embedding has parameters for other inputs"):
        LAYER.apply(nn.Embedding(4, 3).init(KEY, (2,)), np.array([[0, 1]]))
    with pytest.raises(nn.ShapeError, match="expects tokens along at least one axis"):
        LAYER.output_shape(())

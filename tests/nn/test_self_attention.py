"""Self-attention against its definition by loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax

from nnlimits import nn

KEY = jax.random.key(0)


def attended(layer, params, x):
    """One example (T, C), by loops over heads and pairs of positions."""
    params = {name: np.asarray(value) for name, value in params.items()}
    steps, channels = x.shape
    y = np.zeros((steps, layer.width))
    for h in range(layer.heads):
        query = layer.w_query_std / np.sqrt(channels) * x @ params["query"][h]
        key = layer.w_key_std / np.sqrt(channels) * x @ params["key"][h]
        value = layer.w_value_std / np.sqrt(channels) * x @ params["value"][h]
        for t in range(steps):
            logits = np.array([query[t] @ key[s] for s in range(steps)])
            logits = logits / (layer.key_width if layer.scaling == "linear" else np.sqrt(layer.key_width))
            weights = softmax(logits) if layer.attention == "softmax" else logits
            y[t] += sum(weights[s] * value[s] for s in range(steps)) @ params["out"][h]
    return layer.w_out_std / np.sqrt(layer.heads * layer.value_width) * y + layer.b_std * params["bias"]


@pytest.mark.parametrize("attention", ["softmax", "identity"])
@pytest.mark.parametrize("scaling", ["linear", "sqrt"])
def test_formula(attention, scaling, x64):
    layer = nn.SelfAttention(
        3,
        heads=2,
        key_width=4,
        value_width=5,
        attention=attention,
        scaling=scaling,
        w_query_std=1.5,
        w_key_std=0.5,
        w_value_std=1.2,
        w_out_std=0.7,
        b_std=0.3,
    )
    x = np.random.default_rng(0).normal(size=(2, 6, 3))
    params = layer.init(KEY, (6, 3))
    expected = [attended(layer, params, example) for example in x]
    np.testing.assert_allclose(layer.apply(params, x), expected, rtol=1e-11, atol=1e-12)
    grid = layer.apply(params, x.reshape(2, 2, 3, 3))
    np.testing.assert_allclose(grid, np.reshape(expected, (2, 2, 3, 3)), rtol=1e-11, atol=1e-12)


def test_keys_start_as_the_queries_where_the_scaling_is_linear():
    params = nn.SelfAttention(3).init(KEY, (6, 3))
    np.testing.assert_array_equal(params["key"], params["query"])
    assert not np.allclose(*(nn.SelfAttention(3, scaling="sqrt").init(KEY, (6, 3))[name] for name in ("key", "query")))
    net = nn.Sequential(nn.SelfAttention(3, w_query_std=1.5, w_key_std=0.5), parameterization="standard")
    (params,) = net.init(KEY, (6, 3))
    np.testing.assert_allclose(params["key"], params["query"] / 3, rtol=1e-6)


def test_weights_are_independent_standard_normal_draws():
    """65,536 draws each; the KS test fails a right sampler once in 10^4 seeds."""
    params = nn.SelfAttention(64, heads=16, scaling="sqrt").init(KEY, (2, 64))
    for name in ("query", "key", "value", "out"):
        assert stats.kstest(np.ravel(params[name]), "norm").pvalue > 1e-4
    assert len({float(params[name][0, 0, 0]) for name in ("query", "key", "value", "out")}) == 4


def test_logits_tend_to_the_input_kernel_where_the_scaling_is_linear():
    """With W_K = W_Q, `Q K^T / key_width` is `x x^T / C` up to a deviation of at most sqrt(2 / key_width) max |x|^2 / C.

    The values and outputs are chosen so that y is A itself. key_width 40,000, seed 0; five deviations are allowed.
    """
    x = np.concatenate([np.eye(3), np.random.default_rng(0).normal(size=(3, 5))], axis=1).astype(np.float32)
    layer = nn.SelfAttention(3, key_width=40_000, value_width=8, attention="identity")
    identity = np.sqrt(8) * jnp.eye(8)[None]
    params = layer.init(KEY, (3, 8)) | {"value": identity, "out": identity[:, :, :3]}
    kernel = x @ x.T / 8
    np.testing.assert_allclose(
        layer.apply(params, x[None])[0], kernel, rtol=0, atol=5 * np.sqrt(2 / 40_000) * kernel.max()
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.SelfAttention(0), ValueError, "width must be an integer, at least 1; received 0"),
        (lambda: nn.SelfAttention(3, heads=0), ValueError, "heads must be an integer, at least 1; received 0"),
        (lambda: nn.SelfAttention(3, attention="relu"), ValueError, "attention must be one of 'softmax', 'identity'"),
        (lambda: nn.SelfAttention(3, scaling=1), ValueError, "scaling must be one of 'linear', 'sqrt'; received 1"),
        (lambda: nn.SelfAttention(3).output_shape((4,)), nn.ShapeError, r"SelfAttention expects positions .* \(4,\)"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()

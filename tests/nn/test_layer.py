"""`init` and `apply`: dtypes, transformations, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.nn.layer import _as_shape

NET = nn.Sequential(nn.Dense(4, w_std=1.5, b_std=0.1), nn.Erf(), nn.Dense(2))
KEY = jax.random.key(0)


def test_single_precision_by_default():
    params = NET.init(KEY, (3,))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}
    assert NET.apply(params, np.ones((5, 3))).dtype == np.float32


def test_double_precision_under_the_flag(x64):
    params = NET.init(KEY, (3,))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float64)}
    assert NET.apply(params, np.ones((5, 3))).dtype == np.float64


def test_double_precision_by_request_without_the_flag():
    x = np.random.default_rng(0).normal(size=(5, 3))
    params = NET.init(KEY, (3,), dtype=np.float64)
    y = NET.apply(params, x)
    assert y.dtype == np.float64
    with jax.enable_x64(True):
        np.testing.assert_allclose(y, NET.apply(params, x), rtol=1e-14)
        assert NET.init(KEY, (3,), dtype=jnp.float32)[0]["weight"].dtype == np.float32


def test_half_precision():
    params = NET.init(KEY, (3,), dtype=jnp.bfloat16)
    assert NET.apply(params, jnp.ones((5, 3), jnp.bfloat16)).dtype == jnp.bfloat16


def test_integer_inputs_are_taken_as_numbers():
    params = NET.init(KEY, (3,))
    x = np.arange(6).reshape(2, 3)
    np.testing.assert_allclose(NET.apply(params, x), NET.apply(params, x.astype(np.float32)))
    assert nn.Relu().apply((), x).dtype == np.float32


def test_traced_double_precision_hyper_parameters_do_not_promote_single_precision_data(x64):
    params = NET.init(KEY, (3,), dtype=np.float32)
    x = jnp.ones((5, 3), jnp.float32)

    def loss(w_std):
        net = nn.Sequential(nn.Dense(4, w_std=w_std), nn.Relu(), nn.Dense(2))
        y = net.apply(params, x)
        assert y.dtype == jnp.float32
        return y.sum()

    assert jax.grad(loss)(jnp.float64(1.5)).dtype == np.float64


def test_the_key_alone_decides_the_draw():
    first, again, other = (NET.init(jax.random.key(seed), (3,))[0]["weight"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    legacy = NET.init(jax.random.PRNGKey(0), (3,))[0]["weight"]
    np.testing.assert_array_equal(first, legacy)


def test_jit_and_shape_evaluation():
    params = jax.jit(lambda key: NET.init(key, (3,)))(KEY)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), params, NET.init(KEY, (3,)))
    abstract = jax.eval_shape(lambda key: NET.init(key, (3,)), KEY)
    assert jax.tree.map(jnp.shape, abstract) == jax.tree.map(jnp.shape, params)
    x = jnp.linspace(-1, 1, 15).reshape(5, 3)
    jitted = jax.jit(lambda net, params, x: net.apply(params, x))(NET, params, x)
    np.testing.assert_allclose(jitted, NET.apply(params, x), rtol=1e-5)


def test_gradient_with_respect_to_the_network(x64):
    """Against central differences of the loss in each hyper-parameter; error of order step^2 = 1e-10."""
    x = jnp.linspace(-1, 1, 15).reshape(5, 3)
    for parameterization in ("ntk", "standard"):

        def loss(w_std, b_std, slope, parameterization=parameterization):
            layers = (nn.Dense(4, w_std=w_std, b_std=b_std), nn.LeakyRelu(slope), nn.Dense(2, b_std=0.3))
            net = nn.Sequential(*layers, parameterization=parameterization)
            return jnp.sum(net.apply(net.init(KEY, (3,)), x) ** 2)

        at = (1.5, 0.2, 0.1)
        gradient = jax.grad(loss, argnums=(0, 1, 2))(*at)
        for i in range(3):
            up, down = (tuple(v + s * 1e-5 * (j == i) for j, v in enumerate(at)) for s in (1, -1))
            assert gradient[i] == pytest.approx(float(loss(*up) - loss(*down)) / 2e-5, rel=1e-6)


def test_gradient_of_a_whole_network_is_a_network_of_gradients():
    params, x = NET.init(KEY, (3,)), jnp.ones((5, 3))
    gradient = jax.grad(lambda net: net.apply(params, x).sum())(NET)
    assert isinstance(gradient, nn.Sequential)
    assert float(gradient.layers[0].w_std) != 0
    assert repr(gradient).startswith("nn.Sequential(nn.Dense(4, w_std=")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: _as_shape(3), TypeError, r"input_shape must be a tuple such as \(784,\)"),
        (lambda: NET.init(KEY, (0,)), ValueError, "input_shape must be an integer, at least 1; received 0"),
        (lambda: NET.init(KEY, (3,), dtype=np.int32), TypeError, "dtype must be a floating-point type"),
        (lambda: NET.apply(NET.init(KEY, (3,)), jnp.ones(3)), ValueError, r"received \(3,\); for one, write x\[None\]"),
        (
            lambda: NET.apply(NET.init(KEY, (3,)), np.array([["a"]])),
            TypeError,
            "real numeric array; received dtype <U1",
        ),
        (
            lambda: NET.apply(NET.init(KEY, (3,)), jnp.ones((2, 5))),
            ValueError,
            "Dense at position 0 has parameters for",
        ),
        (lambda: NET.apply((), jnp.ones((2, 3))), ValueError, "Sequential has 3 layers, and params holds 0"),
        (lambda: NET.apply(((),) * 3, jnp.ones((2, 3))), ValueError, "Dense at position 0 expects parameters weight"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""Repeated blocks: the same network as the blocks written out."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

KEY = jax.random.key(0)
BLOCK = nn.Sequential(nn.Dense(4, w_std=1.3, b_std=0.2), nn.Tanh())


def _unrolled(params):
    tail = params["tail"]
    depth = jax.tree.leaves(tail)[0].shape[0] if jax.tree.leaves(tail) else 0
    return (*params["head"], *(jax.tree.map(lambda leaf, i=i: leaf[i], tail) for i in range(depth)))


@pytest.mark.parametrize(
    ("block", "input_width", "head"),
    [
        (BLOCK, 4, 0),
        (BLOCK, 3, 1),
        (nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(4))), 4, 0),
        (nn.Parallel(nn.Identity(), nn.Dense(2), merge=nn.Concatenate()), 3, 3),
        (nn.Repeat(nn.Dense(4, b_std=1.0), 2), 4, 0),
    ],
    ids=["same shape", "shape settles", "residual", "shape grows", "nested"],
)
def test_equals_the_blocks_written_out(block, input_width, head, x64):
    net, written_out = nn.Repeat(block, 3), nn.Sequential(*[block] * 3)
    x = jnp.linspace(-1, 1, 2 * input_width).reshape(2, input_width)
    params, expected = net.init(KEY, (input_width,)), written_out.init(KEY, (input_width,))
    assert len(params["head"]) == head
    unrolled = _unrolled(params)
    jax.tree.map(np.testing.assert_array_equal, unrolled, expected)
    assert net.output_shape((input_width,)) == written_out.output_shape((input_width,))
    np.testing.assert_allclose(jax.jit(net.apply)(params, x), jax.jit(written_out.apply)(unrolled, x), rtol=1e-13)


def test_dropout_keys_are_those_of_the_blocks_written_out():
    block, x = nn.Dropout(0.5), jnp.ones((8, 6))
    net, written_out = nn.Repeat(block, 3), nn.Sequential(block, block, block)
    expected = written_out.apply(((), (), ()), x, key=KEY)
    np.testing.assert_array_equal(net.apply(net.init(KEY, (6,)), x, key=KEY), expected)
    assert 0 < np.count_nonzero(expected) < x.size


def test_runs_as_one_loop():
    net = nn.Repeat(BLOCK, 50)
    params = jax.eval_shape(lambda key: net.init(key, (4,)), KEY)
    jaxpr = jax.make_jaxpr(net.apply)(params, jnp.ones((2, 4)))
    assert str(jaxpr).count("dot_general") == 1
    assert "scan" in str(jaxpr)


def test_gradient_flows_through_the_loop(x64):
    x = jnp.linspace(-1, 1, 8).reshape(2, 4)
    params = nn.Repeat(BLOCK, 3).init(KEY, (4,))

    @jax.jit
    def loss(w_std):
        return nn.Repeat(nn.Sequential(nn.Dense(4, w_std=w_std), nn.Tanh()), 3).apply(params, x).sum()

    difference = float(loss(1.3 + 1e-5) - loss(1.3 - 1e-5)) / 2e-5
    assert jax.grad(loss)(1.3) == pytest.approx(difference, rel=1e-7)


@pytest.mark.parametrize(
    ("depth", "error", "message"),
    [
        (0, ValueError, "depth must be an integer, at least 1; received 0"),
        (2.5, TypeError, r"depth must be an integer; received 2\.5"),
        (-math.inf, TypeError, "depth must be an integer; received -inf"),
        (math.nan, TypeError, "depth must be an integer; received nan"),
        (True, TypeError, "depth must be an integer; received True"),
    ],
)
def test_refuses_depths(depth, error, message):
    with pytest.raises(error, match=message):
        nn.Repeat(BLOCK, depth)


def test_infinite_depth_is_written_but_has_no_finite_network():
    net = nn.Sequential(nn.Dense(4), nn.Repeat(BLOCK, math.inf), nn.Dense(1))
    assert eval(repr(net)) == net
    assert net.output_shape((3,)) == (1,)
    for call in (lambda: net.init(KEY, (3,)), lambda: net.layers[1].apply((), jnp.ones((2, 4)))):
        with pytest.raises(NotImplementedError, match="no finite network"):
            call()


def test_infinite_depth_needs_a_shape_that_settles():
    grows = nn.Parallel(nn.Identity(), nn.Dense(2), merge=nn.Concatenate())
    with pytest.raises(ValueError, match="Repeat at infinite depth needs a block whose output shape settles"):
        nn.Repeat(grows, math.inf).output_shape((3,))

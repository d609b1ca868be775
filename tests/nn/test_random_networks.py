"""Properties of networks composed at random."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlimits import nn

KEY = jax.random.key(0)
widths = st.integers(1, 5)
scales = st.floats(0, 2, allow_subnormal=False)
denses = st.builds(nn.Dense, widths, w_std=scales, b_std=scales)
plain = st.sampled_from(
    [
        nn.Relu(),
        nn.ABRelu(-0.5, 1.5),
        nn.Erf(a=2.0),
        nn.Gelu(),
        nn.Sin(),
        nn.Gaussian(),
        nn.HardTanh(),
        nn.Elu(),
        nn.Elementwise(jnp.tanh, kinks=()),
        nn.ExpNormalized(gamma=0.5),
        nn.LayerNorm(epsilon=0.1),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Identity(),
    ]
)


def _combined(parts):
    """Combinators over `parts`, closed by dense layers of one width where the shapes must agree."""
    closed = st.tuples(st.lists(parts, min_size=1, max_size=2), widths).map(
        lambda drawn: tuple(nn.Sequential(part, nn.Dense(drawn[1])) for part in drawn[0])
    )
    return st.one_of(
        st.lists(parts, max_size=3).map(lambda layers: nn.Sequential(*layers)),
        closed.map(lambda branches: nn.Residual(branches[0], shortcut=branches[-1])),
        st.tuples(closed, st.sampled_from([nn.Sum(), nn.Product()])).map(lambda d: nn.Parallel(*d[0], merge=d[1])),
        st.lists(parts, min_size=1, max_size=2).map(lambda b: nn.Parallel(*b, merge=nn.Concatenate())),
        st.tuples(parts, st.integers(1, 3)).map(lambda drawn: nn.Repeat(*drawn)),
    )


bodies = st.recursive(st.one_of(denses, plain), _combined, max_leaves=4)
networks = st.builds(
    lambda body, parameterization: nn.Sequential(body, nn.Dense(2), parameterization=parameterization),
    bodies,
    st.sampled_from(["ntk", "standard"]),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks, widths)
def test_shapes_spelling_and_equality(net, width):
    params = jax.eval_shape(lambda key: net.init(key, (width,)), KEY)
    x = jax.ShapeDtypeStruct((3, width), jnp.float32)
    for key in (None, KEY):
        y = jax.eval_shape(lambda params, x, key=key: net.apply(params, x, key=key), params, x)
        assert y.shape == (3, *net.output_shape((width,)))
        assert y.dtype == jnp.float32
    rebuilt = eval(repr(net))
    assert rebuilt == net
    assert hash(rebuilt) == hash(net)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(networks, widths)
def test_gradients_are_finite_under_jit(net, width):
    params = net.init(KEY, (width,))
    x = jnp.linspace(-1, 1, 3 * width).reshape(3, width)

    @jax.jit
    def gradients(net, params, x):
        return jax.grad(lambda net, params, x: jnp.sum(net.apply(params, x, key=KEY) ** 2), argnums=(0, 1, 2))(
            net, params, x
        )

    for leaf in jax.tree.leaves(gradients(net, params, x)):
        assert np.isfinite(leaf).all()

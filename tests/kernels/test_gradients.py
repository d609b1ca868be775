"""Gradients of the kernels: finite differences at generic points, finite values at the hard ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn

ACTIVATIONS = (
    nn.Relu(),
    nn.LeakyRelu(0.1),
    nn.ABRelu(-0.4, 1.3),
    nn.Abs(),
    nn.Step(),
    nn.Sign(),
    nn.RectifiedMonomial(2),
    nn.Erf(0.5, 2.0, -0.25),
    nn.Gelu(),
    nn.Sin(0.5, 2.0, 0.75),
    nn.Cos(),
    nn.Rbf(0.25),
    nn.Gaussian(),
    nn.Exp(1.0, 0.4),
    nn.ExpNormalized(0.5),
    nn.Gabor(),
    nn.Hermite(3),
    nn.Monomial(2),
    nn.Polynomial((0.1, 0.5, 0.2)),
    nn.Tanh(),
    nn.Elu(0.7),
)


def each_activation(*quick):
    """All activations, those but the `quick` types marked as slow: most of the time compiles."""
    cases = [a if isinstance(a, quick) else pytest.param(a, marks=pytest.mark.slow) for a in ACTIVATIONS]
    return pytest.mark.parametrize("activation", cases, ids=repr)


STEP = 1e-5
GENERIC = np.random.default_rng(0).standard_normal((5, 3))
X1 = np.array([[1.0, 2.0, -1.0], [0.0, 0.0, 0.0], [0.3, 0.0, 0.0]])
# each row against each of X1: coincident, zero, parallel, antiparallel, orthogonal
X2 = np.concatenate([X1, -X1[:1], 2 * X1[:1], -0.5 * X1[:1], X1[2:] * 3, [[0.0, 1.0, 0.0]]])


def network(activation, b_std):
    dense = nn.Dense(8, 1.2, b_std)
    return nn.Sequential(dense, activation, dense, activation, nn.Dense(1, 0.9, b_std))


def total(weights, net, x1, x2):
    """One number that depends on all entries of both kernels."""
    return sum((w * k).sum() for w, k in zip(weights, nl.kernel(net)(x1, x2), strict=True))


@each_activation(nn.Relu)
def test_finite_differences(activation):
    """Seed 0; central differences at a step of 1e-5 in float64 err by the step's square and 1e-11, relative to third derivatives.

    Along one random direction in all inputs and all hyper-parameters at once, and along each hyper-parameter.
    """
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        weights = jnp.asarray(rng.standard_normal((2, 2, 3)))
        leaves, structure = jax.tree.flatten(network(activation, 0.3))
        start = np.concatenate([leaves, GENERIC.ravel()])

        def value(v):
            net = jax.tree.unflatten(structure, list(v[: len(leaves)]))
            x = v[len(leaves) :].reshape(GENERIC.shape)
            return total(weights, net, x[:2], x[2:])

        gradient = np.asarray(jax.jit(jax.grad(value))(jnp.asarray(start)))
        directions = np.concatenate([np.eye(len(leaves), start.size), rng.standard_normal((4, start.size))])
        either_side = start + STEP * np.concatenate([directions, -directions])
        found = np.asarray(jax.jit(lambda rows: jax.lax.map(value, rows))(jnp.asarray(either_side)))
        ahead, behind = np.split(found, 2)
    slopes = (ahead - behind) / (2 * STEP)
    assert np.linalg.norm(slopes) > 0.01
    np.testing.assert_allclose(directions @ gradient, slopes, rtol=1e-6, atol=1e-6 * np.abs(slopes).max())


SLOW = pytest.mark.slow  # most of the time compiles


@pytest.mark.parametrize(
    ("b_std", "dtype"),
    [
        (0.0, np.float64),
        pytest.param(0.0, np.float32, marks=SLOW),
        pytest.param(0.3, np.float64, marks=SLOW),
        pytest.param(0.3, np.float32, marks=SLOW),
    ],
)
@each_activation(nn.Relu)
def test_finite_at_hard_points(activation, b_std, dtype):
    """Every derivative of every entry: in the inputs, the scales and the activation's parameters; of self kernels too."""
    with jax.enable_x64(dtype == np.float64):
        net = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), network(activation, 1.0))
        if b_std == 0.0:
            net = without_bias(net)

        @jax.jit
        def gradients(net, x1, x2):
            def entry(net, a, b):
                pair = nl.kernel(net)(a[None], b[None])
                return jnp.stack([pair.nngp[0, 0], pair.ntk[0, 0]])

            one = jax.jacrev(entry, argnums=(0, 1, 2))
            crossed = jax.lax.map(lambda a: jax.lax.map(lambda b: one(net, a, b), x2), x1)
            self_kernel = jax.grad(lambda n, x: sum(k.sum() for k in nl.kernel(n)(x)), argnums=(0, 1))(net, x2)
            return crossed, self_kernel

        found = gradients(net, jnp.asarray(X1, dtype), jnp.asarray(X2, dtype))
        for leaf in jax.tree.leaves(found):
            assert leaf.dtype == dtype
            assert np.isfinite(np.asarray(leaf)).all()


def without_bias(net):
    """The layers' biases as the number zero, which the kernels leave out."""
    layers = [nn.Dense(layer.width, layer.w_std, 0.0) if isinstance(layer, nn.Dense) else layer for layer in net.layers]
    return nn.Sequential(*layers)

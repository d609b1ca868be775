"""Residual networks of the language and laws over depth, both ways."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.infinite_depth import mean_field_residual as residual


def block(*scales, shortcut=nn.Identity()):
    body = nn.Sequential(nn.Dense(6, 1.2, 0.5), nn.Erf(), nn.Dense(4, 2.0, None), *scales)
    return nn.Residual(body, shortcut)


def network(*scales, parameterization="ntk"):
    return nn.Sequential(
        nn.Dense(4, 1.3, None),
        nn.Repeat(block(*scales), 5),
        nn.Dense(2, 1.1, None),
        parameterization=parameterization,
    )


def test_a_law_is_a_network(fixed, risk):
    net, params = residual.network_of_law(fixed)
    np.testing.assert_allclose(net.apply(params, risk.x), fixed(risk.x), rtol=1e-12)
    assert net.layers[1].depth == 6
    back = residual.law_of_network(net, params, (2,))
    for name in ("particles", "encoder", "readout"):
        np.testing.assert_allclose(getattr(back, name), getattr(fixed, name), atol=1e-14)
    shapes = jax.eval_shape(lambda key: net.init(key, (2,)), jax.random.key(0))
    assert jax.tree.map(np.shape, shapes) == jax.tree.map(np.shape, params)


@pytest.mark.slow
def test_init_draws_standard_normal_neurons(fixed):
    """Deviations of 3,000 rows: to 1.3 %, of which 0.06 is more than four."""
    wide = residual.with_width(residual.with_layers(fixed, 3), 1000, jax.random.key(0))
    net, _ = residual.network_of_law(wide)
    drawn = residual.law_of_network(net, net.init(jax.random.key(0), (2,)), (2,)).particles
    np.testing.assert_allclose(drawn.reshape(-1, 7).std(0), np.ones(7), atol=0.06)


@pytest.mark.slow
def test_descent_on_the_network_is_descent_of_the_law(fixed, risk, x64):
    """At the rate `step L M` in the blocks, their ends fixed."""
    net, (encoder, blocks, readout) = residual.network_of_law(fixed)
    step = 0.05

    def loss(blocks):
        return risk.loss(net.apply((encoder, blocks, readout), jnp.asarray(risk.x)), jnp.asarray(risk.y))

    for _ in range(3):
        blocks = jax.tree.map(lambda part, slope: part - 24 * step * slope, blocks, jax.grad(loss)(blocks))
    course = residual.residual_descent(risk, fixed, step, [3])
    np.testing.assert_allclose(net.apply((encoder, blocks, readout), risk.x), course.final(risk.x), rtol=1e-11)


@pytest.mark.parametrize(
    "parameterization", ["mean_field", *(pytest.param(p, marks=pytest.mark.slow) for p in ("ntk", "standard", "mup"))]
)
def test_networks_of_any_scales_are_laws(parameterization):
    net = network(nn.Scale(0.1), nn.Scale(0.5), parameterization=parameterization)
    draw, shapes = np.random.default_rng(0), jax.eval_shape(lambda key: net.init(key, (2,)), jax.random.key(0))
    params = jax.tree.map(lambda leaf: draw.standard_normal(leaf.shape), shapes)
    x = draw.standard_normal((7, 2))
    np.testing.assert_allclose(residual.law_of_network(net, params, (2,))(x), net.apply(params, x), rtol=1e-12)


def test_scales_that_know_the_depth():
    """`nn.DepthScale(1.0)` is the factor 1/L of a mean-field residual network: the same law as with the number written."""
    natural, written = network(nn.DepthScale(1.0), nn.Scale(0.5)), network(nn.Scale(0.2), nn.Scale(0.5))
    draw, shapes = np.random.default_rng(0), jax.eval_shape(lambda key: natural.init(key, (2,)), jax.random.key(0))
    params = jax.tree.map(lambda leaf: draw.standard_normal(leaf.shape), shapes)
    x = draw.standard_normal((7, 2))
    law = residual.law_of_network(natural, params, (2,))
    np.testing.assert_allclose(law(x), natural.apply(params, x), rtol=1e-12)
    np.testing.assert_allclose(law.particles, residual.law_of_network(written, params, (2,)).particles, rtol=1e-14)


@pytest.mark.slow
def test_without_bias_or_scale(risk):
    body = nn.Sequential(nn.Dense(3, b_std=None), nn.Tanh(), nn.Dense(4, b_std=None))
    net = nn.Sequential(nn.Dense(4, b_std=None), nn.Repeat(nn.Residual(body), 2), nn.Dense(2, b_std=None))
    params = net.init(jax.random.key(1), (2,), dtype=np.float64)
    law = residual.law_of_network(net, params, (2,))
    assert law.unit.parameters == 8
    np.testing.assert_allclose(law(risk.x), net.apply(params, risk.x), rtol=1e-12)
    net, params = residual.network_of_law(law)
    np.testing.assert_allclose(law(risk.x), net.apply(params, risk.x), rtol=1e-12)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Sequential(nn.Dense(3), nn.Tanh(), nn.Dense(1)), "is no residual network of this form: nn.Sequential"),
        (
            nn.Sequential(nn.Dense(4, b_std=None), nn.Repeat(nn.Dense(4), 2), nn.Dense(1, b_std=None)),
            "no residual block",
        ),
        (
            nn.Sequential(nn.Dense(4, b_std=None), nn.Repeat(block(shortcut=nn.Dense(4)), 2), nn.Dense(1, b_std=None)),
            "around a shortcut that is the identity",
        ),
        (network(nn.LayerNorm()), r"LayerNorm.* is no multiplication by a number"),
        (
            nn.Sequential(nn.Dense(4, b_std=None), nn.Repeat(nn.Residual(nn.Dense(4)), 2), nn.Dense(1, b_std=None)),
            "is no body of this form",
        ),
    ],
)
def test_other_networks(net, message):
    with pytest.raises(NotImplementedError, match=message):
        residual.law_of_network(net, (), (2,))


def test_infinite_depth_and_images():
    endless = nn.Sequential(nn.Dense(4, b_std=None), nn.Repeat(block(), float("inf")), nn.Dense(1, b_std=None))
    with pytest.raises(NotImplementedError, match=r"finitely many layers; give nn\.Repeat a finite depth"):
        residual.law_of_network(endless, (), (2,))
    with pytest.raises(ValueError, match=r"one flat example, such as \(2,\); received \(2, 2\)"):
        residual.law_of_network(network(), (), (2, 2))


def test_parameters_of_another_network():
    net = network()
    params = net.init(jax.random.key(0), (2,))
    wider = jax.tree.map(lambda leaf: leaf[..., :1], params)
    for wrong in ((), params[:2], wider):
        with pytest.raises(ValueError, match=r"params must be those of the network, as of network.init\(key, \(2,\)\)"):
            residual.law_of_network(net, wrong, (2,))

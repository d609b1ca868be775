"""The closed systems of two-layer linear networks, against networks that are trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import linear_product

from nnlimits import nn, training

WIDTH = 64


def draws(seeds, width):
    return jax.random.normal(jax.random.key(2), (2, seeds, width))


def summary(params):
    """Output and NTK of `linear_product`."""
    u, v = params
    return (u @ v) / len(u) ** 0.5, (u @ u + v @ v) / len(u)


def test_one_datum_equals_descent(x64):
    """400 steps in the lazy and the catapult phase: to rounding, which a growth of the output by 50 may magnify."""
    u, v = draws(1, WIDTH)[:, 0]
    problem = linear_product(u, v)
    f, curvature = summary((u, v))
    for multiple in (1.0, 2.5, 3.6):
        rate = multiple / curvature
        found = training.catapult(f, curvature, rate, WIDTH, 400)
        descent = training.descent(problem, rate, np.arange(401), observe=summary)
        np.testing.assert_allclose(found.outputs, descent.observed[0], atol=1e-12)
        np.testing.assert_allclose(found.curvatures, descent.observed[1], rtol=1e-12)
        np.testing.assert_allclose(found.losses, descent.losses, atol=1e-12)
        assert found.curvatures[-1] < 2 / rate
        assert (found.losses.max() > 2 * found.losses[0]) == (multiple > 2)


@pytest.mark.slow
def test_several_data_equal_descent_of_a_network_of_the_language(x64):
    """Five data in three dimensions, so that the Gram matrix is singular; outputs, NTK and losses over 400 steps."""
    net = nn.Sequential(nn.Dense(WIDTH, b_std=None), nn.Dense(1, b_std=None))
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((5, 3)), draw.standard_normal((5, 1))
    params = net.init(jax.random.key(0), (3,), dtype=np.float64)
    problem = training.Problem(net, params, x, y)

    def seen(params):
        jacobian = jax.jacrev(lambda p: net.apply(p, x)[:, 0])(params)
        flat = jnp.concatenate([leaf.reshape(5, -1) for leaf in jax.tree.leaves(jacobian)], 1)
        return net.apply(params, x)[:, 0], flat @ flat.T

    f, ntk = seen(params)
    readout = jnp.square(params[1]["weight"]).sum() / WIDTH
    top = np.linalg.eigvalsh(ntk)[-1] / 5
    for multiple in (1.0, 2.8, 3.5):
        found = training.linear_catapult(f, ntk, readout, x @ x.T / 3, y[:, 0], multiple / top, WIDTH, 400)
        descent = training.descent(problem, multiple / top, np.arange(401), observe=seen)
        np.testing.assert_allclose(found.outputs, descent.observed[0], atol=1e-11)
        np.testing.assert_allclose(found.ntk, descent.observed[1], atol=1e-11)
        np.testing.assert_allclose(found.losses, descent.losses, atol=1e-11)


def test_one_datum_is_a_case_of_several():
    single = training.catapult(0.7, 2.1, 1.3, 100, 50)
    for split in (0.0, 1.0, 2.1):  # how the NTK divides between the layers does not matter
        several = training.linear_catapult(
            np.array([0.7]), np.array([[2.1]]), split, np.ones((1, 1)), np.zeros(1), 1.3, 100, 50
        )
        np.testing.assert_allclose(several.ntk[:, 0, 0], single.curvatures, rtol=1e-5)
        np.testing.assert_allclose(several.outputs[:, 0], single.outputs, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("widths", "steps"), [((8, 64), 600), pytest.param((64, 1024), 4000, marks=pytest.mark.slow)])
def test_boundaries_over_100_networks(x64, widths, steps):
    """The upper boundary is `4 / lambda` at every width, not only in the limit: below, `eta lambda` falls and the output is
    multiplied by numbers in [-3, 1]; above, both rise. The lower one is approached from above: the output, of order one,
    adds `eta f^2 / n` (Lewkowycz et al. 2020, equation 3). 12 halvings leave a relative error of 3e-5; the criterion of a rise
    and the finite number of steps take up to 3e-3."""
    excess = []
    for width in widths:
        u, v = draws(100, width)
        _, curvature = jax.vmap(summary)((u, v))
        found = training.measured_thresholds(
            linear_product(u[0], v[0]), (u, v), lowest=1 / curvature, highest=8 / curvature, steps=steps, bisections=12
        )
        np.testing.assert_allclose(found.divergence * curvature, 4, rtol=3e-3)
        excess.append((found.rise * curvature - 2).mean())
    ratio = widths[1] / widths[0]
    assert 0 < excess[0] < 2 / widths[0]
    assert ratio / 2 < excess[0] / excess[1] < ratio * 2


def test_the_loss_rises_to_the_order_of_the_width(x64):
    """At `3 / lambda`, the largest loss over the width; the same within 30 per cent from n = 256 to n = 65536."""
    peaks = [training.catapult(1.0, 2.0, 1.5, width, 200).losses.max() / width for width in (256, 4096, 65536)]
    np.testing.assert_allclose(peaks, peaks[0], rtol=0.3)


def test_many_at_once():
    rates = jnp.linspace(0.5, 1.9, 4)
    many = jax.vmap(lambda rate: training.catapult(1.0, 2.0, rate, 256, 60).curvatures[-1])(rates)
    assert many.shape == (4,)
    assert (many * rates < 2).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: training.catapult(np.nan, 2.0, 1.0, 10, 5), "output contains nan"),
        (lambda: training.catapult(1.0, -2.0, 1.0, 10, 5), "curvature must be finite and positive"),
        (
            lambda: training.linear_catapult(np.ones(2), np.eye(3), 1.0, np.eye(2), np.ones(2), 1.0, 9, 5),
            "ntk must have",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""What layers that solve an equation tell of the solution."""

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits import nn
from nnlimits.nn.reports import is_reporting, report


class Telling(nn.Layer):
    """Tells the sum of its inputs."""

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, params, x, key, parameterization):
        report(self, {"sum": jnp.sum(x)})
        return 2 * x


def test_reports_come_in_the_order_of_the_layers_and_nobody_else_hears_them():
    network = nn.Sequential(Telling(), nn.Relu(), Telling())
    x = jnp.ones((2, 3))
    assert not is_reporting()
    network.apply(network.init(jax.random.key(0), (3,)), x)
    with nn.reporting() as reports:
        assert is_reporting()
        network.apply(network.init(jax.random.key(0), (3,)), x)
    assert [r.layer for r in reports] == [Telling(), Telling()]
    assert [float(r.statistics["sum"]) for r in reports] == [6.0, 12.0]
    assert not is_reporting()


def test_repeated_blocks_report_along_an_axis_and_under_jit():
    network = nn.Repeat(Telling(), 4)
    params = network.init(jax.random.key(0), (3,))

    @jax.jit
    def run(x):
        with nn.reporting() as reports:
            network.apply(params, x)
        return [r.statistics for r in reports]

    (statistics,) = run(jnp.ones((1, 3)))
    np.testing.assert_allclose(statistics["sum"], [3, 6, 12, 24])

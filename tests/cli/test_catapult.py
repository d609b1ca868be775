"""`nnlimits catapult`."""

import numpy as np
import pytest

from nnlimits.cli import catapult_curves


@pytest.mark.slow
def test_digits_and_figure(run, tmp_path):
    arguments = ["--depth", "1", "--width", "32", "--rows", "20", "--rates", "4", "--steps", "20", "--figure", "seen"]
    output = run("catapult", "mlp", *arguments).output
    assert "two-layer linear network diverges" in output
    assert "4.000" in output
    assert (tmp_path / "seen.png").stat().st_size > 10_000


EQUINOX = """
import equinox as eqx, jax
net = eqx.nn.MLP(64, 3, 8, 1, activation=jax.numpy.tanh, key=jax.random.key(0))
"""


@pytest.mark.slow
@pytest.mark.parametrize("network", [["cnn", "--depth", "1", "--width", "4", "--kernel-size", "3"], ["mine.py"]])
def test_convolutions_and_files(run, tmp_path, network):
    """Digits as images, and a tanh network of Equinox, which gets as many outputs as there are digits."""
    (tmp_path / "mine.py").write_text(EQUINOX)
    output = run("catapult", *network, "--rows", "10", "--rates", "3", "--steps", "10").output
    assert "loss first rises" in output
    assert (tmp_path / "catapult.png").stat().st_size > 10_000


def test_closed_system_has_its_three_phases():
    """Lazy below 2, thrown up between 2 and 4, lost above: medians over 200 networks of width 512."""
    curve = catapult_curves.closed_system(14, 100, 0)
    lazy, thrown = curve.multiples < 1.9, (curve.multiples > 2.2) & (curve.multiples < 3.9)
    np.testing.assert_allclose(curve.peak[lazy], 1.0)
    assert (curve.peak[thrown] > 10).all()
    assert (curve.curvature[thrown] < 2).all()
    assert np.isnan(curve.loss[curve.multiples > 4.05]).all()


def test_bad_input(run, tmp_path):
    assert "--data needs --target" in run("catapult", "--data", "x.csv", code=2).output
    assert "rnn cannot take examples of shape (8, 8, 1)" in run("catapult", "rnn", "--rows", "10", code=2).output

"""Three networks of one size on images."""

import jax
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.infinite_depth.experiments import compare_on_images
from nnlimits.infinite_depth.experiments.images import evaluations, networks
from nnlimits.plots import images as plots


@pytest.mark.parametrize("channels", [8, pytest.param(32, marks=pytest.mark.slow)])
def test_the_networks_have_as_many_parameters(channels):
    """The widths are whole numbers, one of which is worth this much."""
    built = networks((28, 28, 1), 10, channels)
    counts = {name: nn.count_parameters(network, (28, 28, 1)) for name, network in built.items()}
    residual = counts.pop("residual network")
    assert all(abs(count - residual) <= 9 * 3 * 2 * channels for count in counts.values())
    assert max(counts.values()) < 1.05 * residual


def test_evaluations_of_an_equation_are_counted():
    ode = nn.NeuralODE(nn.Dense(2), solver="midpoint", steps=3)
    x = np.ones((3, 2), np.float32)
    for network, expected in (
        (nn.Sequential(nn.Dense(2), ode, nn.Repeat(ode, 4)), 2 * 3 * (1 + 4)),
        (nn.Sequential(nn.Dense(2), nn.Repeat(nn.Dense(2), 4)), 4),
    ):
        assert evaluations(network, network.init(jax.random.key(0), (2,)), x) == expected


def test_images_need_channels_and_finite_entries():
    x, y = np.zeros((4, 8, 8, 1)), np.arange(4) % 2
    with pytest.raises(ValueError, match="x must have shape"):
        compare_on_images(x.reshape(4, -1), y, x, y)
    with pytest.raises(ValueError, match="x_test"):
        compare_on_images(x, y, np.full((4, 8, 8, 1), np.nan), y)


@pytest.mark.slow
def test_all_three_learn_digits(shared_data):
    """Of 1,000 images of zeros and ones; the least of them is right for more than guessing ones, 53.7 %."""
    arrays = np.load(shared_data / "mnist.npz")

    def part(name, count):
        keep = np.flatnonzero(arrays[f"y{name}"] < 2)[:count]
        return arrays[f"X{name}"][keep][..., None] / 255.0, arrays[f"y{name}"][keep].astype(int)

    found = compare_on_images(*part("train", 1000), *part("test", 1000), channels=8, epochs=3, batch_size=32)
    assert [model.name for model in found.models] == ["residual network", "ODE network", "equilibrium network"]
    for model in found.models:
        assert model.accuracy > 0.95
        assert (np.diff(model.seconds) > 0).all()
        assert model.losses[-1] < model.losses[0]
        assert model.memory > 0
    residual, ode, equilibrium = found.models
    assert (residual.evaluations == 2).all()
    assert min(ode.evaluations.min(), equilibrium.evaluations.min()) > 4
    figure = plots.images(found)
    assert [axis.get_xlabel() for axis in figure.axes][:2] == ["epoch", "seconds, compilation included"]

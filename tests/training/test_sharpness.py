"""The edge of stability on images; see `test_central_flow.py` for a loss that can be solved."""

import jax
import numpy as np
import pytest

from nnlimits import nn, training

pytest.importorskip("matfree")
pytest.importorskip("lineax")


@pytest.mark.slow
@pytest.mark.parametrize("edge", [2.0, 3.0, 4.5])
def test_sharpness_rises_to_the_edge_and_stays(shared_data, edge):
    """A tanh network on 1,000 images of CIFAR-10 averaged to 8 x 8 pixels, at rates whose edge lies at a multiple of the first
    sharpness: over the last quarter of 4,000 steps, sharpness times rate has a mean in [2, 2.3] and never leaves [1.8, 2.5],
    while the loss falls (Cohen et al. 2021, figure 1, with the same overshoot)."""
    with np.load(shared_data / "cifar10_lossless_4k_1k.npz") as file:
        images, labels = file["Xtrain"][:1000], file["ytrain"][:1000].ravel()
    x = images.reshape(1000, 8, 4, 8, 4, 3).mean((2, 4)).reshape(1000, -1)
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    y = (np.eye(10)[labels] - 0.1).astype(np.float32)
    hidden = [layer for _ in range(2) for layer in (nn.Dense(64, w_std=3**-0.5), nn.Tanh())]
    network = nn.Sequential(*hidden, nn.Dense(10, w_std=3**-0.5), parameterization="standard")
    problem = training.Problem(network, network.init(jax.random.key(0), x.shape[1:]), x, y)
    rate = 2 / (edge * training.phases(problem, jax.random.key(1)).sharpness)
    found = training.track_sharpness(problem, rate, 4000, jax.random.key(2), every=20)
    scaled = found.sharpness[:, 0] * rate
    assert scaled[0] < 1.01
    assert 2 <= scaled[150:].mean() < 2.3
    assert (scaled[150:] > 1.8).all()
    assert (scaled[150:] < 2.5).all()
    means = found.losses[1001:].reshape(3, 1000).mean(1)
    assert means[0] > means[1] > means[2]
    assert (np.diff(found.losses[-1000:]) > 0).mean() > 0.2  # not monotonically

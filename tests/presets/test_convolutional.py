"""Networks for images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.presets import cnn, myrtle, wide_resnet


def _convolutions(net):
    words = jax.tree.leaves(net, is_leaf=lambda word: isinstance(word, nn.Conv))
    return [word for word in words if isinstance(word, nn.Conv)]


def test_cnn_is_what_its_docstring_says():
    conv = nn.Conv(8, (3, 1), w_std=1.2, b_std=0.3)
    net = cnn(2, 8, (3, 1), nn.Erf(), w_std=1.2, b_std=0.3, readout=nn.GlobalAvgPool(), outputs=4)
    assert net == nn.Sequential(conv, nn.Erf(), conv, nn.Erf(), nn.GlobalAvgPool(), nn.Dense(4))
    assert cnn().output_shape((8, 8, 3)) == (1,)
    assert cnn(kernel_size=5).output_shape((20, 3)) == (1,)


def test_cnn_outputs_have_variance_close_to_one():
    """A constant image on a ring. 2,000 outputs, seed 0: the biases add 3 * 0.01 / 2; three deviations of 0.17 are allowed."""
    net = cnn(width=512, outputs=2000)
    ring = nn.Sequential(
        *(
            nn.Conv(512, 3, padding="circular", w_std=layer.w_std, b_std=layer.b_std)
            if isinstance(layer, nn.Conv)
            else layer
            for layer in net.layers
        )
    )
    y = jax.jit(ring.apply)(ring.init(jax.random.key(0), (4, 3)), jnp.ones((1, 4, 3)))
    assert np.var(y) == pytest.approx(1.015, abs=0.5)


@pytest.mark.parametrize("depth", [5, 7, 10])
def test_myrtle_has_the_depth_of_its_name(depth):
    net = myrtle(depth, width=4, outputs=10)
    assert len(_convolutions(net)) + 1 == depth
    assert net.output_shape((32, 32, 3)) == (10,)
    assert net.output_shape((8, 8, 1)) == (10,)


def test_myrtle_is_the_published_one_on_images_of_32_by_32(x64):
    """The last average against three over 2x2 windows and a flattening, as Shankar et al. draw it."""
    body, pools = myrtle(5, 2).layers[:-2], (nn.AvgPool(2), nn.AvgPool(2), nn.AvgPool(2), nn.Flatten())
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 3))
    np.testing.assert_allclose(nn.Sequential(*pools).apply(((),) * 4, x), nn.GlobalAvgPool().apply((), x), rtol=1e-12)
    assert nn.Sequential(*body).output_shape((32, 32, 3)) == (8, 8, 2)


@pytest.mark.parametrize("blocks", [1, 4])
def test_wide_resnet(blocks):
    """Convolutions: 6 a block index in the branches, 1 at the start, 2 in shortcuts; channels 16k, 32k, 64k."""
    net = wide_resnet(blocks, width=16, outputs=10)
    assert len(_convolutions(net)) == 6 * blocks + 3
    assert nn.Sequential(*net.layers[:-2]).output_shape((32, 32, 3)) == (8, 8, 64)
    assert net.output_shape((32, 32, 3)) == (10,)
    if blocks == 4:  # WRN-28-1 without normalization: 0.37 million parameters in the paper (table 5)
        assert nn.count_parameters(net, (32, 32, 3)) == pytest.approx(0.37e6, rel=0.02)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cnn(0), ValueError, "depth must be an integer, at least 1; received 0"),
        (lambda: cnn(outputs=0), ValueError, "outputs must be an integer, at least 1; received 0"),
        (lambda: myrtle(6), ValueError, "depth must be one of 5, 7, 10; received 6"),
        (lambda: wide_resnet(0), ValueError, "blocks must be an integer, at least 1; received 0"),
        (lambda: wide_resnet(width=0), ValueError, "width must be an integer, at least 1; received 0"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""The same network at another width."""

import pytest

from nnlimits import nn, presets


def test_all_widths_but_those_of_the_outputs_change():
    heads = nn.Parallel(nn.Dense(2), nn.Sequential(nn.Dense(5), nn.Relu(), nn.Dense(2)))
    net = nn.Sequential(
        nn.Conv(4, 3, w_std=1.5), nn.Repeat(nn.Conv(4, 3), 3), nn.GlobalAvgPool(), heads, parameterization="mup"
    )
    wide = nn.Parallel(nn.Dense(2), nn.Sequential(nn.Dense(16), nn.Relu(), nn.Dense(2)))
    assert nn.with_width(net, 16) == nn.Sequential(
        nn.Conv(16, 3, w_std=1.5), nn.Repeat(nn.Conv(16, 3), 3), nn.GlobalAvgPool(), wide, parameterization="mup"
    )


def test_layers_tied_to_the_data_keep_their_width():
    net = nn.Sequential(nn.Residual(nn.Sequential(nn.Dense(7), nn.Tanh(), nn.Dense(5))), nn.Dense(7), nn.Dense(1))
    wide = nn.with_width(net, 16)
    assert wide == nn.Sequential(
        nn.Residual(nn.Sequential(nn.Dense(16), nn.Tanh(), nn.Dense(5))), nn.Dense(16), nn.Dense(1)
    )
    assert wide.output_shape((5,)) == (1,)


@pytest.mark.parametrize("name", sorted(presets.NAMED))
def test_presets_keep_their_outputs(name):
    shape = {"rnn": (5, 3), "transformer_encoder": (5, 3), "gcn": (4, 7), "mlp": (6,)}.get(name, (32, 32, 3))
    assert nn.with_width(presets.NAMED[name](outputs=7), 16).output_shape(shape) == (7,)


def test_infinitely_deep_networks():
    net = nn.Sequential(nn.Dense(4), nn.Repeat(nn.Residual(nn.Dense(4)), float("inf")), nn.Dense(1))
    assert nn.with_width(net, 8).layers[1] == nn.Repeat(nn.Residual(nn.Dense(8)), float("inf"))


def test_refuses_a_width_of_nothing():
    with pytest.raises(ValueError, match="width must be an integer, at least 1; received 0"):
        nn.with_width(nn.Dense(3), 0)

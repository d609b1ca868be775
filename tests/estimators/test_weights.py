import pytest

from nnlimits import nn, presets
from nnlimits.estimators.scales import initial_logs, rescaled
from nnlimits.estimators.weights import replace_weighted_layers, weight_groups, weighted_layers, with_scale

RESIDUAL = nn.Sequential(
    nn.Dense(8, w_std=2.0, b_std=0.5),
    nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(8, b_std=0.1))),
    nn.Erf(),
    nn.Dense(1, w_std=3.0),
)


def test_groups():
    first, second, last = weighted_layers(RESIDUAL)
    assert weight_groups(RESIDUAL) == {"input": [first], "hidden": [second], "readout": [last]}
    assert weight_groups(nn.Sequential(nn.Dense(3), nn.Relu())) == {"input": [nn.Dense(3)]}
    assert list(weight_groups(nn.Dense(1))) == ["input"]
    nested = nn.Sequential(nn.Dense(3), nn.Relu(), nn.Sequential(nn.Dense(1)))
    assert list(weight_groups(nested)) == ["input", "readout"]


@pytest.mark.parametrize(
    ("network", "kinds"),
    [
        (presets.cnn(2), [nn.Conv, nn.Conv, nn.Dense]),
        (presets.gcn(1), [nn.Linear, nn.Dense]),
        (nn.Masked(presets.rnn()), [nn.Rnn, nn.Dense]),
        (
            presets.transformer_encoder(1, embedding=nn.Embedding(5, 8)),
            [nn.Embedding, nn.SelfAttention, nn.Linear, nn.Linear, nn.Dense],
        ),
    ],
    ids=["cnn", "gcn", "rnn", "transformer"],
)
def test_layers_of_all_kinds(network, kinds):
    layers = weighted_layers(network)
    assert [type(layer) for layer in layers] == kinds
    groups = weight_groups(network)
    assert groups["readout"] == layers[-1:]
    assert groups["input"] == layers[:1]
    assert replace_weighted_layers(network, layers) == network


def test_only_scales_that_a_layer_has_are_changed():
    assert with_scale(nn.Embedding(5, 8), "b_std", 2.0) == nn.Embedding(5, 8)
    assert with_scale(nn.Conv(4, 3), "b_std", 2.0) == nn.Conv(4, 3, b_std=2.0)


def test_free_scales_of_a_recurrent_network():
    network = presets.rnn(8, w_std=0.5, u_std=0.7, b_std=0.1)
    logs = initial_logs(network, w_std=True, b_std=True, noise=False, columns=None)
    assert logs == {"input": {"w_std": 0.0, "u_std": 0.0, "b_std": 0.0}, "readout": {"w_std": 0.0}}
    logs["input"] |= {"w_std": 1.0, "u_std": -1.0}
    first = rescaled(network, logs).layers[0]
    assert float(first.w_std) == pytest.approx(0.5 * 2.718281828, rel=1e-6)
    assert float(first.u_std) == pytest.approx(0.7 / 2.718281828, rel=1e-6)
    assert float(first.b_std) == pytest.approx(0.1, rel=1e-6)


def test_a_convolution_keeps_the_rest_of_its_fields():
    network = nn.Sequential(nn.Conv(4, 3, stride=2, padding="circular", b_std=0.1), nn.Flatten(), nn.Dense(1))
    logs = initial_logs(network, w_std=True, b_std=True, noise=False, columns=None)
    first = rescaled(network, logs).layers[0]
    assert (first.stride, first.padding, first.kernel_size) == (2, "circular", 3)

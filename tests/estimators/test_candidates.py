import pytest

from nnlimits import nn
from nnlimits.estimators.candidates import ACTIVATIONS, candidates
from nnlimits.estimators.weights import weighted_layers

RESIDUAL = nn.Sequential(
    nn.Dense(8, w_std=2.0, b_std=0.5),
    nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(8, b_std=0.1))),
    nn.Erf(),
    nn.Dense(1, w_std=3.0),
)


def test_presets_for_each_activation_and_depth():
    found = candidates("mlp", (1, 3), ("relu", nn.Erf()), "auto", "auto")
    assert [len(weighted_layers(network)) - 1 for network in found] == [1, 3, 1, 3]
    assert [type(network.layers[1]) for network in found] == [nn.Relu, nn.Relu, nn.Erf, nn.Erf]


def test_an_expression_is_the_only_candidate_and_stays_as_it_is():
    assert candidates(RESIDUAL, (1, 2), "relu", "auto", None) == [RESIDUAL]


def test_numbers_replace_all_scales_but_those_of_the_readout():
    (network,) = candidates(RESIDUAL, 1, "relu", 1.5, 0)
    assert [layer.w_std for layer in weighted_layers(network)] == [1.5, 1.5, 3.0]
    assert [layer.b_std for layer in weighted_layers(network)] == [0.0, 0.0, 0.0]


def test_auto_suits_the_rank_of_the_examples():
    for rank, word in ((1, nn.Dense), (2, nn.Conv), (3, nn.Conv)):
        (network,) = candidates("auto", 1, "relu", None, None, rank=rank)
        assert isinstance(network.layers[0], word)
    assert isinstance(candidates("gcn", 1, "relu", None, None)[0], nn.GraphNetwork)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_by_name(name):
    assert isinstance(candidates("mlp", 1, name, None, None)[0], nn.Sequential)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("resnet50", 1, "relu", None, None),
            r"network must be an expression .* preset \(cnn, gcn, mlp\); received 'resnet50'",
        ),
        ((None, 1, "relu", None, None), "network must be"),
        (("mlp", 0, "relu", None, None), "depth must be a positive integer, or a tuple of them; received 0"),
        (("mlp", (), "relu", None, None), "depth must be a value or a tuple of candidates; received an empty one"),
        (("mlp", 1.5, "relu", None, None), "depth must be"),
        (("mlp", 1, "reluu", None, None), "activation must be .* received 'reluu'"),
        (("mlp", 1, "relu", -1.0, None), "w_std must be finite and non-negative; received -1"),
        (("mlp", 1, "relu", None, "large"), 'b_std must be "auto", None .* or a number; received .large'),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        candidates(*arguments)

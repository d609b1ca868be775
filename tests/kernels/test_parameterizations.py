"""Which parameterizations have kernels, and what the others say."""

import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn

LAYERS = (nn.Dense(8, 1.5, 0.1), nn.Relu(), nn.Dense(1))


@pytest.mark.parametrize(
    ("parameterization", "reason"),
    [
        ("mup", "learns features, and its outputs at initialization vanish"),
        ("mean_field", "mean-field dynamics"),
        (nn.ABC((0, 0), (0.5, 0), (1, 0)), "only 'ntk' and 'standard' have rules"),
    ],
)
def test_others_are_refused_by_name(parameterization, reason):
    net = nn.Sequential(*LAYERS, parameterization=parameterization)
    with pytest.raises(NotImplementedError) as raised:
        nl.kernel(net)
    message = str(raised.value)
    for part in (f"parameterization={parameterization!r}", reason, "take parameterization='ntk' or 'standard'"):
        assert part in message


@pytest.mark.parametrize("name", ["standard", pytest.param("ntk", marks=pytest.mark.slow)])
def test_exponents_equal_to_those_of_a_name_are_that_name(name):
    x = np.random.default_rng(0).standard_normal((3, 4))
    named, spelled = (nl.kernel(nn.Sequential(*LAYERS, parameterization=value)) for value in (name, nn.ABC.named(name)))
    np.testing.assert_array_equal(spelled.ntk(x), named.ntk(x))

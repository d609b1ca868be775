"""The decay of a trained network, chosen on held-out examples."""

import numpy as np
import pytest

from nnlimits import MeanFieldRegressor, mean_field, nn
from nnlimits.estimators.decay import choose_decay


class Recorder:
    """Stands for training: a neuron whose output is `slopes[decay] x`, for the target x."""

    def __init__(self, slopes):
        self.slopes, self.seen = slopes, []

    def __call__(self, risk, neurons):
        self.seen.append((risk.decay, len(risk.x), float(neurons.positions[0, 0])))
        return mean_field.Neurons(np.array([[self.slopes[risk.decay], np.sign(self.slopes[risk.decay])]]))


def chosen(slopes, n=20):
    units = mean_field.TwoLayer(nn.Monomial(1), 1)
    x = np.random.default_rng(0).standard_normal((n, 1))
    train, start = Recorder(slopes), mean_field.Neurons(np.array([[7.0, 1.0]]))
    risk = mean_field.EmpiricalRisk(units, x, x[:, 0])
    return choose_decay(risk, start, train, np.random.RandomState(0), tuple(slopes)), train.seen


def test_the_best_on_held_out_examples():
    """Each goes on from the one before, on four fifths of the examples; two worse than the best end the search."""
    found, seen = chosen({0.4: 0.5, 0.3: 0.9, 0.2: 0.7, 0.1: 0.6, 0.05: 1.0})
    assert found == 0.3
    assert seen == [(0.4, 16, 7.0), (0.3, 16, 0.5), (0.2, 16, 0.9), (0.1, 16, 0.7)]
    found, seen = chosen({0.4: 0.5}, n=9)
    assert (found, seen) == (3e-3, [])


def test_neurons_that_decay_led_to_zero_begin_again():
    found, seen = chosen({0.4: 0.0, 0.3: 0.0, 0.2: 0.7, 0.1: 0.9})
    assert found == 0.1
    assert [first for _, _, first in seen] == [7.0, 7.0, 7.0, 0.7]


def test_bad_input():
    x, y = np.ones((12, 2)), np.arange(12.0)
    with pytest.raises(ValueError, match=r'decay must be "auto" or a number of at least 0; received \'large\''):
        MeanFieldRegressor(decay="large").fit(x, y)
    with pytest.raises(ValueError, match=r'decay="auto" is for temperature=0; give a number with temperature=0\.1'):
        MeanFieldRegressor(temperature=0.1).fit(x, y)
    with pytest.raises(ValueError, match="decay must be finite and non-negative; received -1"):
        MeanFieldRegressor(decay=-1).fit(x, y)

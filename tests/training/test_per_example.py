"""Outputs and losses of single examples, and training on them."""

import jax
import numpy as np
import optax
from scipy.special import log_softmax

from nnlimits import nn
from nnlimits.estimators import trained
from nnlimits.infinite_depth.experiments import images
from nnlimits.training import train_in_epochs
from nnlimits.training.epochs import by_parts, mean_loss
from nnlimits.training.per_example import CrossEntropy, Outputs

NETWORK = nn.Dense(3)


def test_cross_entropy_of_each_example():
    """By SciPy in double precision: to the rounding of single precision."""
    draw = np.random.default_rng(0)
    x, labels = draw.standard_normal((5, 2)).astype(np.float32), np.array([0, 2, 1, 1, 0])
    params = NETWORK.init(jax.random.key(0), (2,))
    outputs = by_parts(Outputs(NETWORK), params, (x,))
    np.testing.assert_array_equal(outputs, NETWORK.apply(params, x))
    expected = -log_softmax(outputs.astype(float), axis=1)[np.arange(5), labels]
    np.testing.assert_allclose(by_parts(CrossEntropy(NETWORK), params, (x, labels)), expected, rtol=1e-6)


def test_training_lowers_it():
    """Three separable classes: far below log 3, that of a guess."""
    labels = np.arange(30) % 3
    x = np.stack([np.cos(2.1 * labels), np.sin(2.1 * labels)], 1).astype(np.float32)
    losses, params = CrossEntropy(NETWORK), NETWORK.init(jax.random.key(0), (2,))
    found = train_in_epochs(losses, params, (x, labels), optax.adam(0.1), jax.random.key(1), epochs=60, batch_size=10)
    assert mean_loss(losses, found.params, (x, labels)) < 0.1


def test_classifiers_and_experiments_share_them():
    assert trained.CrossEntropy is images.CrossEntropy is CrossEntropy
    assert trained.Outputs is images.Outputs is Outputs

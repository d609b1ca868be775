"""What `features` and its value refuse, and what they say."""

import math

import numpy as np
import pytest
from feature_networks import IMAGES, mlp

from nnlimits import nn
from nnlimits.random_features import features


@pytest.fixture(scope="module")
def embed():
    return features(mlp(nn.Relu(), depth=1), 64, input_shape=(10,))


def test_too_few_features_say_how_many_it_takes():
    shape = (6, 6, 2)
    with pytest.raises(ValueError, match=r"n_features must be at least \d+ .*received 3") as error:
        features(IMAGES["flat"], 3, input_shape=shape)
    least = int(str(error.value).split("at least ")[1].split()[0])
    assert features(IMAGES["flat"], least, input_shape=shape).n_features <= least
    with pytest.raises(ValueError, match="at least"):
        features(IMAGES["flat"], least - 1, input_shape=shape)


def test_any_number_of_features_will_do_without_positions():
    for count in (1, 3):
        found = features(mlp(nn.Relu(), depth=2), count, input_shape=(10,))
        assert found.n_features == count
        assert np.isfinite(np.asarray(found(np.ones((2, 10), np.float32)))).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kernel": "ntkk"}, ValueError, "kernel must be one of 'ntk', 'nngp'; received 'ntkk'"),
        ({"input_shape": 10}, TypeError, "input_shape must be a tuple"),
        ({"input_shape": (0,)}, ValueError, "every entry of input_shape must be an integer, at least 1"),
        ({"input_shape": (4, 4, 1)}, ValueError, "expects a flat input"),
        ({"units": 0}, ValueError, "units must be an integer, at least 1"),
        ({"key": 3}, TypeError, "key must be a JAX random key"),
    ],
)
def test_arguments(options, error, message):
    with pytest.raises(error, match=message):
        features(mlp(nn.Relu(), depth=1), **{"n_features": 64, "input_shape": (10,), **options})


def test_number_of_features_is_an_integer():
    with pytest.raises(TypeError, match="n_features must be an integer"):
        features(mlp(nn.Relu()), 64.5, input_shape=(10,))


def test_networks_are_expressions_of_the_language():
    with pytest.raises(TypeError, match="network must be an expression"):
        features(3, 64, input_shape=(10,))


def test_outputs_have_no_positions():
    with pytest.raises(ValueError, match="outputs have positions"):
        features(nn.Conv(4, 3), 64, input_shape=(4, 4, 1))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((3, 9)), ValueError, r"x must be of shape \(n, 10\); received \(3, 9\)"),
        (np.zeros(10), ValueError, r"for one example write x\[None\]"),
        (np.zeros((0, 10)), ValueError, "x is empty"),
        (np.array([["a"] * 10]), TypeError, "real numeric array"),
        (np.where(np.arange(20).reshape(2, 10) == 13, np.nan, 0.0), ValueError, r"nan at index \(1, 3\)"),
    ],
)
def test_inputs(embed, x, error, message):
    with pytest.raises(error, match=message):
        embed(x)


def test_probe_sets_of_two_precisions(embed):
    with pytest.raises(TypeError, match="mixed dtypes"):
        embed.error(np.ones((2, 10), np.float32), np.ones((2, 10)))


BLOCK = nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(8), nn.DepthScale(0.5)))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Dense(8), nn.Dropout(0.5), nn.Dense(1)), "Dropout.*Leave it out"),
        (nn.Sequential(nn.Relu(), nn.Dense(1)), "not Gaussian.*Put an nn.Dense before"),
        (nn.Sequential(nn.Dense(8), nn.Repeat(BLOCK, math.inf), nn.Dense(1)), "take a finite depth"),
        (nn.Sequential(nn.Dense(8), nn.ExpNormalized(), nn.Dense(1)), "ExpNormalized has no rule.*Nystrom"),
        (nn.Sequential(nn.Dense(8), nn.ChannelAffine(), nn.Relu(), nn.Dense(1)), "trainable gain"),
        (nn.Parallel(nn.Identity(), nn.Identity()), "correlated at infinite width"),
        (nn.Parallel(nn.Identity(), nn.Identity(), merge=nn.Product()), "dependent at infinite width"),
        (nn.Sequential(nn.Dense(8), nn.LayerNorm(axes=(-2,)), nn.Dense(1)), "axes"),
    ],
)
def test_layers_without_features(network, message):
    with pytest.raises((NotImplementedError, ValueError), match=message):
        features(network, 64, input_shape=(10,))

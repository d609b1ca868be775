"""Words as values: spelling, equality, hash, pickling, PyTree."""

import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

SPELLINGS = [
    "nn.Dense(512)",
    "nn.Dense(512, b_std=None)",
    "nn.Dense(512, w_std=1.5)",
    "nn.Dense(512, w_std=1.5, b_std=0.1)",
    "nn.Conv(64, 3)",
    "nn.Conv(64, 3, padding=1)",
    "nn.Conv(64, 3, padding=(1, 0), b_std=None)",
    "nn.Conv(64, (3, 5), stride=2, padding='circular', dilation=(1, 2), w_std=1.5)",
    "nn.ConvTranspose(64, (3,), padding='valid')",
    "nn.LocallyConnected(64, 3, b_std=0.1)",
    "nn.AvgPool(2)",
    "nn.SumPool((3, 3), stride=1, padding='same')",
    "nn.GlobalAvgPool()",
    "nn.GlobalSumPool()",
    "nn.Linear(8)",
    "nn.Linear(8, axes=(0, -1))",
    "nn.SelfAttention(8, heads=2, attention='identity', scaling='sqrt', w_key_std=0.5)",
    "nn.PositionalEmbedding(length_scale=2.0)",
    "nn.Embedding(100, 8)",
    "nn.Index(-1)",
    "nn.Index((slice(0, 4), 2))",
    "nn.ImageResize((16, 16), method='nearest')",
    "nn.Rnn(8)",
    "nn.Rnn(8, activation=nn.Relu(), u_std=0.5)",
    "nn.Masked(nn.Relu(), nn.GlobalAvgPool())",
    "nn.Masked(nn.GlobalAvgPool(), value=-1.0)",
    "nn.GraphNetwork(nn.Aggregate(), nn.Aggregate(normalize='mean', self_loops=True))",
    "nn.Flatten()",
    "nn.Identity()",
    "nn.Dropout(0.25)",
    "nn.LayerNorm()",
    "nn.ChannelAffine()",
    "nn.ChannelAffine(gain=False)",
    "nn.Scale(0.5)",
    "nn.LayerNorm(epsilon=0.001)",
    "nn.LayerNorm(axes=(0, 1, -1))",
    "nn.Relu()",
    "nn.LeakyRelu(negative_slope=0.2)",
    "nn.ABRelu(0.1, 2.0)",
    "nn.RectifiedMonomial(2)",
    "nn.Erf(b=0.7071067811865476)",
    "nn.Gelu()",
    "nn.Gelu(approximate=True)",
    "nn.Rbf(gamma=0.5)",
    "nn.ExpNormalized(gamma=2.0, shift=0.0)",
    "nn.Hermite(3)",
    "nn.Polynomial((1.0,))",
    "nn.Polynomial((1.0, -1e-300))",
    "nn.Elementwise(jnp.tanh)",
    "nn.Sequential()",
    "nn.Sequential(nn.Dense(512, w_std=1.5), nn.Relu())",
    "nn.Sequential(nn.Dense(512), parameterization='standard')",
    "nn.Sequential(nn.Dense(512), parameterization='mup')",
    "nn.Sequential(nn.Dense(512), parameterization=nn.ABC((0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (1.0, 0.0, -1.0)))",
    "nn.ABC((0.0, 0.0, 1.0), (0.0, 0.5, 1.0), (0.0, 0.5, 1.0), fixed=(0.0, 0.5, 1.0))",
    "nn.Residual(nn.Dense(4))",
    "nn.Residual(nn.Dense(4), shortcut=nn.Dense(4))",
    "nn.Parallel(nn.Relu(), nn.Abs())",
    "nn.Parallel(nn.Relu(), nn.Abs(), merge=nn.Concatenate())",
    "nn.Repeat(nn.Sequential(nn.Dense(4), nn.Relu()), 3)",
    "nn.Repeat(nn.Dense(4), math.inf)",
    "nn.Cell(nn.Dense(4), nn.Dense(4))",
    "nn.Cell(nn.Dense(4, b_std=None), nn.Dense(4), activation=nn.Relu(), constraint=nn.Monotone(margin=0.5))",
    "nn.NormBound()",
    "nn.NormBound(bound=0.5)",
    "nn.Monotone()",
    "nn.Equilibrium(nn.Cell(nn.Conv(4, 3), nn.Conv(4, 3), constraint=nn.NormBound()))",
    "nn.Equilibrium(nn.Cell(nn.Dense(4), nn.Dense(4)), solver='broyden', tolerance=0.001, max_steps=50, memory=9)",
    "nn.Equilibrium(nn.Cell(nn.Dense(4), nn.Dense(4)), solver='iteration', adjoint='unrolled')",
    "nn.Augment(2)",
    "nn.NeuralODE(nn.Dense(4))",
    "nn.NeuralODE(nn.Dense(5, w_std=1.5), time_dependent=True, augment=1, span=(0.0, 2.0), solver='kvaerno5', rtol=0.001)",
    "nn.NeuralODE(nn.Dense(4), solver='euler', steps=8, adjoint='backsolve')",
]


def build(spelling):
    return eval(spelling, {"nn": nn, "jnp": jnp, "math": math})


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_word_prints_as_the_code_that_rebuilds_it(spelling):
    assert repr(build(spelling)) == spelling


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_words_spelled_alike_are_equal_and_hash_alike(spelling):
    assert build(spelling) == build(spelling)
    assert hash(build(spelling)) == hash(build(spelling))
    assert pickle.loads(pickle.dumps(build(spelling))) == build(spelling)


def test_words_spelled_differently_differ():
    words = [build(spelling) for spelling in SPELLINGS]
    assert len(set(words)) == len(words)
    assert all(a != b for i, a in enumerate(words) for b in words[:i])


def test_numbers_become_floats_whatever_they_were():
    for number in (2, np.float32(2), np.int64(2), np.array(2.0), jnp.array(2.0), jnp.array(2)):
        word = nn.Dense(np.int64(3), w_std=number)
        assert word == nn.Dense(3, w_std=2.0)
        assert type(word.w_std) is float
        assert type(word.width) is int


def test_real_hyper_parameters_are_leaves_and_the_rest_is_static():
    net = nn.Sequential(nn.Dense(4, w_std=1.5), nn.Erf(a=2.0), nn.Elementwise(jnp.tanh), nn.Dense(2))
    assert jax.tree.leaves(net) == [1.5, 0.0, 2.0, 1.0, 0.0, 1.0, 0.0]
    doubled = jax.tree.map(lambda leaf: 2 * leaf, net)
    assert doubled.layers[0] == nn.Dense(4, w_std=3.0)


def test_words_are_immutable():
    with pytest.raises(AttributeError):
        nn.Dense(3).width = 4


def test_traced_hyper_parameters_are_accepted_unseen():
    @jax.jit
    def spelled(w_std):
        net = nn.Sequential(nn.Dense(3, w_std=w_std, b_std=-w_std), nn.Dropout(w_std))
        assert repr(net) == "nn.Sequential(nn.Dense(3, w_std=<traced>, b_std=<traced>), nn.Dropout(<traced>))"
        return net

    assert spelled(2.0).layers[0].b_std == -2.0
    assert jax.jit(lambda degree: nn.Erf(a=degree).a)(2).dtype == jnp.float32
    with pytest.raises(TypeError, match=r"w_std must be one number; received an array of shape \(2,\)"):
        spelled(jnp.ones(2))


def test_hyper_parameters_can_be_mapped_over():
    x = jnp.linspace(-1, 1, 6).reshape(2, 3)
    y = jax.vmap(lambda slope: nn.LeakyRelu(slope).apply((), x))(jnp.array([0.0, 1.0]))
    np.testing.assert_array_equal(y, [jnp.maximum(x, 0), x])

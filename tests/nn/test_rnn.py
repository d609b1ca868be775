"""The recurrent network against its recurrence by loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nnlimits import nn

KEY = jax.random.key(0)


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.Relu(), nn.Identity()], ids=repr)
def test_formula(activation, x64):
    layer = nn.Rnn(4, activation, w_std=1.5, u_std=0.7, b_std=0.3)
    params, x = layer.init(KEY, (5, 3)), np.random.default_rng(0).normal(size=(2, 5, 3))
    recurrent, inputs, bias = (np.asarray(params[name]) for name in ("recurrent", "input", "bias"))
    function = {"Tanh": np.tanh, "Relu": lambda z: np.maximum(z, 0), "Identity": lambda z: z}[type(activation).__name__]
    state, states = np.zeros((2, 4)), []
    for t in range(5):
        state = function(1.5 / 2 * state @ recurrent + 0.7 / np.sqrt(3) * x[:, t] @ inputs + 0.3 * bias)
        states.append(state)
    np.testing.assert_allclose(layer.apply(params, x), np.stack(states, 1), rtol=1e-12)


def test_the_first_state_has_the_variance_of_the_first_layer_kernel():
    """2,000 units, each N(0, u^2 |x|^2 / C + b^2) before the activation; the KS test fails once in 10^4 seeds."""
    x = jnp.array([[[1.0, -2.0]]])
    for seed, parameterization in enumerate(("ntk", "standard")):
        net = nn.Sequential(
            nn.Rnn(2000, nn.Identity(), w_std=1.5, u_std=0.7, b_std=0.3), parameterization=parameterization
        )
        y = net.apply(net.init(jax.random.key(seed), (1, 2)), x)
        assert stats.kstest(np.ravel(y), "norm", args=(0, np.sqrt(0.49 * 2.5 + 0.09))).pvalue > 1e-4


def test_runs_as_one_loop():
    layer = nn.Rnn(4)
    jaxpr = str(jax.make_jaxpr(layer.apply)(layer.init(KEY, (50, 3)), jnp.ones((2, 50, 3))))
    assert jaxpr.count("dot_general") == 2
    assert "scan" in jaxpr


def test_hyper_parameters_of_the_activation_can_be_differentiated():
    params, x = nn.Rnn(4).init(KEY, (5, 3)), jnp.ones((2, 5, 3))
    gradient = jax.grad(lambda net: net.apply(params, x).sum())(nn.Rnn(4, nn.LeakyRelu(0.1)))
    assert float(gradient.activation.negative_slope) != 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Rnn(0), ValueError, "width must be an integer, at least 1; received 0"),
        (
            lambda: nn.Rnn(3, jnp.tanh),
            TypeError,
            r"activation must be an activation of nnlimits\.nn, such as nn\.Tanh\(\)",
        ),
        (lambda: nn.Rnn(3, nn.Dense(3)), TypeError, r"activation must be .*; received nn\.Dense\(3\)"),
        (lambda: nn.Rnn(3, u_std=-1), ValueError, "u_std must be at least 0"),
        (lambda: nn.Rnn(3).output_shape((4,)), nn.ShapeError, r"expects a sequence of vectors.* received \(4,\)"),
        (lambda: nn.Rnn(3).output_shape((4, 4, 2)), nn.ShapeError, "expects a sequence of vectors"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()

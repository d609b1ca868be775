"""Signals layer by layer, against kernels and against simulated networks."""

import jax
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn, presets, signal

NET = presets.mlp(4, activation=nn.Erf(), w_std=1.4, b_std=0.2)


def two_inputs(d, correlation):
    """Of mean square one and a given cosine."""
    x = np.zeros((2, d))
    x[0, 0] = x[1, 0] = np.sqrt(d)
    x[1, :2] = np.sqrt(d) * correlation, np.sqrt(d) * np.sqrt(1 - correlation**2)
    return x


@pytest.mark.parametrize(
    "network",
    [NET, nn.Sequential(nn.Dense(3), nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(3, b_std=0.5))), nn.LayerNorm())],
)
def test_equals_the_kernel(network):
    found = signal.propagate(network, correlation=0.3)
    expected = np.asarray(nl.kernel(network).nngp(two_inputs(5, 0.3)))
    np.testing.assert_allclose(found.variance[-1], expected[0, 0], rtol=1e-10)
    np.testing.assert_allclose(found.correlation[-1], expected[0, 1] / expected[0, 0], rtol=1e-10)
    assert found.layers[0] == "input"
    assert len(found.layers) == len(found.gradient) == len(found.variance)


def test_equals_the_kernel_of_positions_that_are_alike():
    """Attention passes on its values, whatever its logits; averages of positions change nothing."""
    attention = nn.Sequential(nn.LayerNorm(), nn.SelfAttention(4, w_value_std=1.3, w_out_std=0.9, b_std=0.2))
    network = nn.Sequential(
        nn.Conv(4, 1, b_std=0.1), nn.Residual(attention), nn.AvgPool(2), nn.Relu(), nn.Index(0), nn.Dense(1)
    )
    found = signal.propagate(network, correlation=0.3)
    expected = np.asarray(nl.kernel(network).nngp(np.repeat(two_inputs(5, 0.3)[:, None], 4, axis=1)))
    np.testing.assert_allclose(found.variance[-1], expected[0, 0], rtol=1e-10)
    np.testing.assert_allclose(found.correlation[-1], expected[0, 1] / expected[0, 0], rtol=1e-10)


def simulated(network, width, seeds):
    """Mean square and correlation of units, and mean squares of the output's derivatives, after each layer."""
    x = two_inputs(width, 0.5)
    net = jax.tree.map(
        lambda word: nn.Dense(width, w_std=word.w_std, b_std=word.b_std) if isinstance(word, nn.Dense) else word,
        network,
        is_leaf=lambda word: isinstance(word, nn.Dense),
    )
    layers = net.layers
    found = []
    for seed in range(seeds):
        with jax.enable_x64(True):
            params = net.init(jax.random.key(seed), (width,), dtype=np.float64)
            values, pullbacks = [x], []
            for layer, part in zip(layers, params, strict=True):
                value, pullback = jax.vjp(lambda v, layer=layer, part=part: layer.apply(part, v), values[-1])
                values.append(value)
                pullbacks.append(pullback)
            cotangent = np.random.default_rng(seed).standard_normal((2, width))
            squares = [(cotangent**2).sum()]
            for pullback in reversed(pullbacks):
                (cotangent,) = pullback(cotangent)
                squares.append(float((cotangent**2).sum()))
        values = [np.asarray(v) for v in values]
        variance = [float((v[0] ** 2).mean()) for v in values]
        correlation = [
            float((v[0] * v[1]).mean()) / np.sqrt(float((v[0] ** 2).mean() * (v[1] ** 2).mean())) for v in values
        ]
        found.append([variance, correlation, np.asarray(squares[::-1]) / squares[0]])
    return np.asarray(found)


def test_simulated_networks():
    """Within four standard errors of the mean over 24 networks of width 400, plus the 1/width bias (10/width)."""
    samples = simulated(NET, 400, 24)
    limit = signal.propagate(NET)
    error = samples.std(0, ddof=1) / np.sqrt(len(samples))
    for mean, err, expected in zip(
        samples.mean(0), error, (limit.variance, limit.correlation, limit.gradient), strict=True
    ):
        assert (abs(mean / expected - 1) < 4 * err / expected + 10 / 400).all()


@pytest.mark.slow
@pytest.mark.parametrize(("w_std", "b_std"), [(1.0, 0.3), (2.0, 0.3)])
def test_depth_scales_of_wide_networks(w_std, b_std):
    """The decay of correlations and variances in 16 networks of width 2,000 is `xi_c` and `xi_q`.

    To 10 %: half the difference of two correlations that start 0.15 above and below `c*` (0.3 below, where it is one) decays as a
    power of the slope up to the third order. To 20 % for the variance, which starts 2.5 times too large.
    """
    depth, width, seeds = 8, 2000, 16
    point = signal.fixed_point(presets.mlp(3, activation=nn.Tanh(), w_std=w_std, b_std=b_std))
    starts = [0.7, 1.0] if point.phase == "ordered" else [float(point.correlation) + d for d in (-0.15, 0.15)]
    rng = np.random.default_rng(0)
    correlations, variances = [], []
    for _ in range(seeds):
        first, second = rng.standard_normal((2, width))
        h = np.stack([first, *(c * first + np.sqrt(1 - c**2) * second for c in starts)]) * np.sqrt(point.variance)
        large = np.sqrt(2.5 * point.variance) * first
        c, q = [], []
        for _ in range(depth):
            weight, bias = rng.standard_normal((width, width)), b_std * rng.standard_normal(width)
            h, large = (w_std / np.sqrt(width) * np.tanh(v) @ weight + bias for v in (h, large))
            norms = np.sqrt((h**2).sum(1))
            c.append((h[1:] @ h[0]) / (norms[1:] * norms[0]))
            q.append((large**2).mean())
        correlations.append(c)
        variances.append(q)
    apart = np.diff(np.mean(correlations, 0), axis=1)[:, 0] / 2
    rate = -np.polyfit(np.arange(depth), np.log(apart), 1)[0]
    np.testing.assert_allclose(1 / rate, point.xi_c, rtol=0.1)
    off = abs(np.mean(variances, 0) - point.variance)[:3]
    np.testing.assert_allclose(-1 / np.polyfit(np.arange(3), np.log(off), 1)[0], point.xi_q, rtol=0.2)


def test_bad_input():
    with pytest.raises(ValueError, match="correlation must be between -1 and 1; received 2"):
        signal.propagate(NET, correlation=2)
    with pytest.raises(NotImplementedError, match=r"SumPool.*the number of positions"):
        signal.propagate(nn.Sequential(nn.Conv(4, 3), nn.SumPool(2)))
    with pytest.raises(NotImplementedError, match=r"SelfAttention.*depends on their number"):
        signal.propagate(nn.SelfAttention(4, attention="identity"))


@pytest.mark.parametrize(
    "layer",
    [nn.NeuralODE(nn.Dense(1)), nn.Equilibrium(nn.Cell(nn.Dense(1, 0.4), nn.Dense(1), nn.Erf()))],
    ids=["ode", "cell"],
)
def test_tied_weights_of_infinite_depth_are_refused(layer):
    with pytest.raises(NotImplementedError, match=r"infinitely deep with tied weights.*its kernel is nnlimits.kernel"):
        signal.propagate(nn.Sequential(nn.Dense(1), layer, nn.Dense(1)))

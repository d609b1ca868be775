"""The first order at widths 8 to 512: what it leaves falls as the inverse square of the width.

Three hidden layers, two inputs (one input is the entry of the first alone), `w_std^2 = 1.7`, `b_std^2 = 0.2`; float64. Sampling
errors are far below the second order because control variates take away what is of first and second degree in the
fluctuations (`forward_chain`); they are those of the mean, from the networks' own spread.
"""

import math
from functools import cache

import forward_chain
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import simulation
import whole_networks
from forward_chain import PAIRS, Setting, polar_nodes, trapezoidal_nodes
from networks import mlp

from nnlimits import nn
from nnlimits.fluctuations import fluctuations

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("x64")]
X = np.array([[1.2, 0.6, -0.36], [0.24, -1.2, 1.08]])
W2, B2 = 1.7, 0.2
WIDTHS = (8, 16, 32, 64, 128, 256, 512)
WHOLE = (12000, 6000, 3000, 2000, 1200, 800, 400)


def density(z):
    return jnp.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def gelu_slope(z):
    return jax.scipy.special.ndtr(z) + z * density(z)


CASES = {  # 39 nodes across: the pole of tanh is near, and the NTK holds its fourth power
    "tanh": (nn.Tanh(), Setting(jnp.tanh, lambda z: 1 - jnp.tanh(z) ** 2, trapezoidal_nodes(39), W2, B2)),
    "gelu": (
        nn.Gelu(),
        Setting(lambda z: z * jax.scipy.special.ndtr(z), gelu_slope, trapezoidal_nodes(25), W2, B2),
    ),
    "relu": (nn.Relu(), Setting(jax.nn.relu, lambda z: (z > 0) * 1.0, polar_nodes, W2, B2)),
}


def by_pairs(tensor):
    tensor = np.asarray(tensor)
    return np.array([[tensor[a, b, c, d] for c, d in PAIRS] for a, b in PAIRS])


def symmetric(entries, n=6):
    full = np.zeros((n, n))
    full[np.triu_indices(n)] = entries
    return full + np.triu(full, 1).T


@cache
def predicted(name, width):
    found = fluctuations(mlp((width,) * 3, CASES[name][0], math.sqrt(W2), math.sqrt(B2)), X)
    pairs = tuple(np.array(PAIRS).T)
    return {
        "G": np.asarray(found.kernel_correction)[pairs],
        "ntk_correction": np.asarray(found.ntk_correction)[pairs],
        "V": by_pairs(found.vertex),
        "D": by_pairs(found.D),
        "A": by_pairs(found.A),
        "F": np.array([np.asarray(found.F)[:, :, a, b] for a, b in PAIRS]),
    }


@cache
def simulated(name, width, count):
    """Each tensor of `predicted`, and its standard errors; A is that of the mean given the signals."""
    mean, error = forward_chain.simulate(CASES[name][1], X, width, count, seed=0)
    means, covariance = mean[:6], symmetric(mean[6:27]) - np.outer(mean[:6], mean[:6])

    def parts(m, c, f):
        pairs = {"G": m[:3], "ntk_correction": m[3:], "V": c[:3, :3], "D": c[:3, 3:], "A": c[3:, 3:]}
        return {**pairs, "F": f.reshape(3, 2, 2)}

    return parts(means, covariance, mean[27:]), parts(error[:6], symmetric(error[6:27]), error[27:])


@cache
def with_weights(name, width, count):
    """A's part of second order, and B less its first order; with their errors."""
    activation, setting = CASES[name]
    mean, error = whole_networks.simulate(setting, X, width, count, seed=1)
    tensor = np.asarray(fluctuations(mlp((width,) * 3, activation, math.sqrt(W2), math.sqrt(B2)), X).B)
    ordered = whole_networks.ORDERED
    first = [tensor[(*ordered[i], *ordered[j])] for i, j in zip(*whole_networks.UPPER, strict=True)]
    return mean[:6], error[:6], mean[6:] - first, error[6:], np.array(first)


def residuals(name, tensor, counts):
    """Simulated less predicted and its errors, times the width squared: one row a width."""
    rows = []
    for width, count in zip(WIDTHS, counts, strict=True):
        seen, errors = simulated(name, width, count)
        left = seen[tensor] - predicted(name, width)[tensor]
        rows.append((left.ravel() * width**2, errors[tensor].ravel() * width**2))
    return tuple(np.array(v) for v in zip(*rows, strict=True))


def slope_of(left, errors, widths):
    """The exponent of the width in the residual along its mean direction, and its standard error."""
    weights = 1 / (errors**2).sum(1)
    direction = weights @ left
    direction = direction / np.linalg.norm(direction)
    size, error = left @ direction, np.sqrt((errors**2) @ direction**2)
    design = np.stack([np.ones(len(widths)), np.log(widths)], 1)
    inverse = np.linalg.inv((design.T / (error / size) ** 2) @ design)
    fitted = inverse @ (design.T / (error / size) ** 2) @ np.log(np.abs(size))
    return fitted[1] - 2, math.sqrt(inverse[1, 1])


def check(label, left, errors, first):
    """The exponent at widths from 32, and at every width above 64 what widths to 64 extrapolate to.

    The residual of widths 8 to 64, times the width squared, is fitted by `c2 + c3 / width + c4 / width^2` (`c4` is needed for
    GELU's NTK); what a fifth order leaves of that is allowed for with 0.05 of the largest entry of `c2`. A first order that
    is wrong would leave a multiple of the width: all of it is so many standard errors at width 512.
    """
    widths = np.array(WIDTHS, float)
    errors = np.maximum(errors, 1e-9 * np.abs(left).max())  # the control variates hold all of V of one input, for ReLU
    slope, deviation = slope_of(left[2:], errors[2:], widths[2:])
    design = (1 / widths[:4, None]) ** np.arange(3)
    to_fit = np.linalg.pinv(design)
    c2 = to_fit @ left[:4]
    for width, row, error in zip(widths[4:], left[4:], errors[4:], strict=True):
        powers = (1 / width) ** np.arange(3)
        weights = powers @ to_fit
        spread = np.sqrt(error**2 + weights**2 @ errors[:4] ** 2)
        away = np.abs(row - powers @ c2)
        assert (away < 4 * spread + 0.05 * np.abs(c2[0]).max()).all(), (label, width, away, spread, c2)
    seen = np.abs(first).max() * widths[-1] ** 2 / errors[-1].reshape(-1)[np.abs(first).argmax()]
    size = np.linalg.norm(left, axis=1).round(3)
    print(
        f"{label:20s} slope {slope:.4f} +- {deviation:.4f}; first order at 512 {seen:.0f} standard errors; n^2 |left| {size}"
    )
    assert abs(slope + 2) < 0.05 + 3 * deviation, (label, slope, deviation)
    assert deviation < 0.25, (label, deviation)
    assert seen > 20, (label, seen)


@pytest.mark.parametrize("name", CASES)
def test_residuals_at_widths_to_512(name):
    """G, V, D, F and the mean NTK; 20,000 networks a width (40,000 from 128 on)."""
    counts = (20000,) * 4 + (40000,) * 3
    setting, found = CASES[name][1], fluctuations(mlp((8,) * 3, CASES[name][0], math.sqrt(W2), math.sqrt(B2)), X)
    limit = forward_chain.limit_of(setting, forward_chain.first_state(jnp.asarray(X), W2, B2))
    pairs = tuple(np.array(PAIRS).T)
    infinite = np.concatenate([np.asarray(found.kernel)[pairs], np.asarray(found.ntk)[pairs]])
    assert np.abs(limit - infinite).max() < 1e-6  # the accuracy of the chain's quadrature
    for tensor in ("G", "ntk_correction", "V", "D", "F"):
        left, errors = residuals(name, tensor, counts)
        if tensor in ("G", "ntk_correction") and name == "relu":  # zero at all orders for one input
            assert (np.abs(left[:, :2]) < 5 * errors[:, :2] + 1e-6).all()
            left, errors = left[:, 2:], errors[:, 2:]
        check(f"{name} {tensor}", left, errors, predicted(name, WIDTHS[-1])[tensor][2 if left.shape[1] == 1 else ...])
        if name != "relu" or tensor == "V":
            check(f"{name} {tensor} of one input", left[:, :1], errors[:, :1], predicted(name, 512)[tensor].ravel()[:1])


@pytest.mark.parametrize("name", CASES)
def test_covariances_of_the_ntk_at_widths_to_512(name):
    """A and B: 400 (at width 512) to 12,000 (at width 8) networks with all of their weights in float32, and 10,000 without."""
    left, errors, of_b, errors_b = [], [], [], []
    for width, count in zip(WIDTHS, WHOLE, strict=True):
        part, part_error, b, b_error, first_b = with_weights(name, width, count)
        seen, seen_error = simulated(name, width, 10000)
        whole = (seen["A"] - predicted(name, width)["A"])[np.triu_indices(3)] + part
        left.append(whole * width**2)
        errors.append(np.hypot(seen_error["A"][np.triu_indices(3)], part_error) * width**2)
        of_b.append(b * width**2)
        errors_b.append(b_error * width**2)
    check(f"{name} A", np.array(left), np.array(errors), predicted(name, 512)["A"][np.triu_indices(3)])
    check(f"{name} B", np.array(of_b), np.array(errors_b), first_b)


def test_the_chain_is_that_of_networks_with_weights():
    """tanh, width 8: 2^17 networks of the plain simulation (float32, seed 0) against the chain's 20,000."""
    phi, slope = CASES["tanh"][1][:2]
    with jax.enable_x64(False):
        key, x = jax.random.key(0), jnp.asarray(X, jnp.float32)
        plain = simulation.moments(key, x, (8, 8, 8), phi, slope, W2, B2, 2**17)
    seen, errors = simulated("tanh", 8, 20000)
    found = fluctuations(mlp((8,) * 3, nn.Tanh(), math.sqrt(W2), math.sqrt(B2)), X)
    pairs = tuple(np.array(PAIRS).T)
    for field, tensor, error in (("kernel", "G", plain["errors"][0]), ("ntk", "ntk_correction", plain["errors"][1])):
        away = (plain[field] - np.asarray(getattr(found, field)))[pairs] - seen[tensor]
        assert (np.abs(away) < 4 * np.hypot(error[pairs], errors[tensor])).all(), field
    # covariances: relative errors of 2^17 networks are about sqrt(2 / 2^17) of the variances, 0.4%, and kurtosis doubles that
    for field, tensor in (("vertex", "V"), ("D", "D")):
        scale = np.abs(seen[tensor]).max()
        assert np.abs(by_pairs(plain[field]) - seen[tensor]).max() < 0.03 * scale, field
    of_f = np.array([plain["F"][:, :, a, b] for a, b in PAIRS])
    assert np.abs(of_f - seen["F"]).max() < 0.03 * np.abs(seen["F"]).max()

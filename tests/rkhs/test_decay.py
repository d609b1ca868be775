"""The decay of eigenvalues, from singularities and from the eigenvalues themselves."""

import math

import numpy as np
import pytest
from numpy_kernels import gaussian

import nnlimits as nl
from nnlimits import nn, rkhs


def network(depth, activation=nn.Relu(), b_std=0.0):
    return nn.Sequential(*(nn.Dense(1, w_std=2**0.5, b_std=b_std), activation) * depth, nn.Dense(1))


@pytest.mark.parametrize(
    ("net", "name", "exponent"),
    [
        (network(1), "ntk", 0),
        pytest.param(network(3), "ntk", 0, marks=pytest.mark.slow),
        pytest.param(network(1), "nngp", 2, marks=pytest.mark.slow),
        pytest.param(network(3, b_std=0.3), "nngp", 2, marks=pytest.mark.slow),
        pytest.param(network(2, nn.RectifiedMonomial(2)), "ntk", 2, marks=pytest.mark.slow),
        pytest.param(network(1, nn.RectifiedMonomial(2)), "nngp", 4, marks=pytest.mark.slow),
        pytest.param(network(1, nn.Step()), "nngp", 0, marks=pytest.mark.slow),
    ],
)
def test_exponent_of_theory_and_eigenvalues(net, name, exponent):
    """`k^-(d + exponent)` (Bietti & Bach 2021): by the singularities, by eigenvalues, and with its constant.

    The next terms are smaller by the order of `k^-2`: of degrees 40 and 80, a few per cent and a fourth of that.
    """
    d, kernel = 5, getattr(nl.kernel(net), name)
    decay = rkhs.spectral_decay(kernel, d)
    assert decay.exponent == pytest.approx(d + exponent, abs=1e-6)
    found = rkhs.mercer(kernel, d, 81)
    promised = decay.eigenvalues(np.arange(82))
    degrees = np.flatnonzero((promised > 0) & found.resolved & (np.arange(82) >= 40))
    ratio = found.eigenvalues[degrees] / promised[degrees]
    assert np.abs(ratio - 1).max() < 0.06
    assert np.abs(ratio[degrees >= 80] - 1).max() < 0.016
    pair = degrees[[0, len(degrees) - 1 - (degrees[-1] - degrees[0]) % 2]]  # of one parity
    middle = pair + d / 2 - 1  # in which eigenvalues have no term of the next order
    slope = math.log(found.eigenvalues[pair[0]] / found.eigenvalues[pair[1]]) / math.log(middle[1] / middle[0])
    assert slope == pytest.approx(d + exponent, rel=0.01)  # which is what the ratios leave


@pytest.mark.slow
def test_deep_steps_are_rougher():
    """Each layer of steps halves the power (Bietti & Bach 2021)."""
    decay = rkhs.spectral_decay(nl.kernel(network(3, nn.Step())).nngp, 5)
    assert decay.equal.power == pytest.approx(1 / 8, abs=1e-3)


def steep(rate):
    return lambda x1, x2: np.exp(-rate * (1 - x1 @ x2.T))


def rough(power, coefficient):
    """`exp(t) + coefficient (1 - t)^power`, without the digits that `1 - t` would lose."""

    def kernel(x1, x2):
        distance = ((x1[:, None] - x2[None]) ** 2).sum(-1) / 2
        return np.exp(1 - distance) + coefficient * distance**power

    return kernel


def test_smooth_kernels_have_no_power():
    """Also steep ones, which are not resolved on wide intervals and seem to have odd powers of the angle there.

    Two of these rates and the polynomial were once given a power, by fits that were not compared.
    """
    others = [lambda x1, x2: (x1 @ x2.T) ** 4 + (1 + x1 @ x2.T) ** 2 / 4, lambda x1, x2: np.arcsin(0.99 * x1 @ x2.T)]
    for kernel in (gaussian, *map(steep, (6.28348791584537, 35.0, 195.0, 2000.0)), *others):
        decay = rkhs.spectral_decay(kernel, 3, radius=1.0)
        assert math.isinf(decay.exponent)
        with pytest.raises(ValueError, match="faster than any power"):
            decay.eigenvalues(3)


@pytest.mark.parametrize("power", [0.1, 0.25, 0.5, 1.5, 2.5])
@pytest.mark.parametrize("coefficient", [1.0, 1e-3])
def test_known_singularities(power, coefficient):
    found = rkhs.spectral_decay(rough(power, coefficient), 3, radius=1.0).equal
    assert found.power == pytest.approx(power, abs=1e-3)
    assert abs(found.coefficient - coefficient) <= found.error < 0.03 * coefficient


def test_singularities_that_are_not_found():
    """One that is lost in rounding is within the error that is told; one of another kind is refused."""
    lost = rkhs.spectral_decay(rough(1.5, 1e-9), 3, radius=1.0).equal
    assert math.isinf(lost.power)
    assert 1e-9 <= lost.error < 1e-7
    assert rkhs.spectral_decay(rough(1.5, 1e-6), 3, radius=1.0).equal.power == 1.5
    for power in (0.7, 0.9):  # next to the smooth 1 - t
        with pytest.raises(ValueError, match="singularity at equal inputs is no power that could be found"):
            rkhs.spectral_decay(rough(power, 1.0), 3, radius=1.0)


def test_biases_that_hide_a_singularity():
    """A ReLU layer on a sphere so small that its NNGP is all but constant: `k^-(d + 2)` all the same."""

    def kernel(x1, x2):
        weight, bias = 2 / 10, 0.01
        total = weight * 1e-6 + bias
        angle = 2 * np.arcsin(np.sqrt(weight * ((x1[:, None] - x2[None]) ** 2).sum(-1) / total) / 2)
        return total * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)

    assert rkhs.spectral_decay(kernel, 10, radius=1e-3).exponent == 12


def test_coefficients_of_powers():
    """`(1 - t)^(1/2)` in three dimensions, by the generating function of Legendre's polynomials."""
    k = np.arange(6)
    expected = -(2**1.5) / ((2 * k - 1.0) * (2 * k + 1) * (2 * k + 3))
    np.testing.assert_allclose(rkhs.power_coefficients(3, 0.5, k), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="positive and no whole number"):
        rkhs.power_coefficients(3, 2.0, k)

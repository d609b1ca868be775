"""Mercer spectra on spheres, against integration by mpmath and against samples."""

import math

import mpmath as mp
import numpy as np
import pytest
from numpy_kernels import gaussian, linear, on_sphere

import nnlimits as nl
from nnlimits import nn, rkhs

RELU = nn.Sequential(nn.Dense(1, w_std=1.3, b_std=0.4), nn.Relu(), nn.Dense(1, w_std=1.1, b_std=0.2))
NO_BIAS = nn.Sequential(nn.Dense(1, w_std=2**0.5), nn.Relu(), nn.Dense(1))


def relu_kernels(t):
    """NNGP and NTK of `RELU` between unit-mean-square inputs of cosine t, in mpmath (Cho & Saul 2009; Jacot et al. 2018)."""
    q = mp.mpf("1.3") ** 2 + mp.mpf("0.4") ** 2
    first = mp.mpf("1.3") ** 2 * t + mp.mpf("0.4") ** 2
    angle = mp.acos(first / q)
    value = q * (mp.sin(angle) + (mp.pi - angle) * mp.cos(angle)) / (2 * mp.pi)
    slope = (mp.pi - angle) / (2 * mp.pi)
    nngp = mp.mpf("1.1") ** 2 * value + mp.mpf("0.2") ** 2
    return nngp, nngp + mp.mpf("1.1") ** 2 * slope * first


def by_mpmath(function, d, k):
    """`mu_k` by adaptive integration in 25 digits, of Gegenbauer polynomials as mpmath has them."""
    with mp.workdps(25):
        order = mp.mpf(d) / 2 - 1

        def polynomial(angle):
            if d == 2:
                return mp.cos(k * angle)
            return mp.gegenbauer(k, order, mp.cos(angle)) / mp.gegenbauer(k, order, 1)

        norm = mp.gamma(mp.mpf(d) / 2) / (mp.sqrt(mp.pi) * mp.gamma(mp.mpf(d - 1) / 2))
        whole = mp.quad(
            lambda a: function(mp.cos(a)) * polynomial(a) * mp.sin(a) ** (d - 2), mp.linspace(0, mp.pi, 5), maxdegree=6
        )
        return float(norm * whole)


@pytest.mark.parametrize(
    ("d", "name", "degrees"),
    [
        (2, "ntk", (1, 7)),
        (3, "ntk", (9,)),
        pytest.param(3, "nngp", (4, 7), marks=pytest.mark.slow),
        (10, "ntk", (0, 6)),
        pytest.param(10, "nngp", range(9), marks=pytest.mark.slow),
        pytest.param(30, "ntk", range(9), marks=pytest.mark.slow),
        pytest.param(2, "nngp", range(0, 40, 3), marks=pytest.mark.slow),
    ],
)
def test_against_numerical_integration(d, name, degrees):
    """To 1e-10 of each eigenvalue that is above 1e-5 of the kernel (others to rounding), and within the error that is told."""
    found = rkhs.mercer(getattr(nl.kernel(RELU), name), d, max(degrees))
    for k in degrees:
        expected = by_mpmath(lambda t: relu_kernels(t)[name == "ntk"], d, k)
        assert found.eigenvalues[k] == pytest.approx(expected, rel=1e-10, abs=1e-15 * found.diagonal)
        assert abs(found.eigenvalues[k] - expected) <= found.errors[k]


@pytest.mark.parametrize(("d", "power"), [(2, 0.25), (3, 0.5), (6, 1.5), (40, 0.5)])
def test_singular_kernels_have_the_coefficients_of_rodrigues(d, power):
    """`3 + 2 t -+ (1 - t)^power`, exactly known at all degrees up to 150: the error bounds hold, and are near rounding."""
    sign = -1 if power < 1 else 1

    def kernel(x1, x2):
        distance = ((x1[:, None] - x2[None]) ** 2).sum(-1) / 2
        return 3 + 2 * x1 @ x2.T + sign * distance**power

    found = rkhs.mercer(kernel, d, 150, radius=1.0)
    exact = sign * rkhs.power_coefficients(d, power, np.arange(151))
    exact[:2] += 3, 2 / d
    kept = found.resolved
    assert kept[:8].all()
    assert (np.abs(found.eigenvalues - exact)[kept] <= found.errors[kept]).all()
    assert (found.errors * np.sqrt(found.multiplicities) <= 2e-13).all()


def test_parity_and_trace():
    """Without biases one hidden layer has no odd degrees but the first; all eigenvalues sum to the kernel's diagonal."""
    found = rkhs.mercer(nl.kernel(NO_BIAS).ntk, 5, 60)
    odd = np.arange(61) % 2 == 1
    assert found.resolved[~odd].all()
    np.testing.assert_array_equal(np.flatnonzero(found.resolved & odd), [1])
    assert found.diagonal == pytest.approx(2, rel=1e-14)
    assert found.trace + found.tail == pytest.approx(2, rel=1e-14)
    # the tail by the asymptotic decay: every second degree, N(5, k) ~ k^3 / 3, mu_k ~ c k^-5
    k = np.arange(62, 20_000, 2)
    beyond = rkhs.spectral_decay(nl.kernel(NO_BIAS).ntk, 5).eigenvalues(k) @ rkhs.multiplicities(5, 20_000)[k]
    assert found.tail == pytest.approx(beyond, rel=0.01)


@pytest.mark.slow
def test_kernel_is_the_sum_of_its_series():
    """Of a residual network; what is missing is at most the tail."""
    block = nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(4, w_std=1.2)))
    net = nn.Sequential(nn.Dense(4, b_std=0.3), block, nn.LeakyRelu(0.2), nn.Dense(1))
    kernel, d = nl.kernel(net), 4
    found = rkhs.mercer(kernel.ntk, d, 40, radius=3.0)
    x = on_sphere(np.random.default_rng(0), 20, d, 3.0)
    expected = np.asarray(kernel.ntk(x[:1], x))[0]
    series = found.values(np.clip(x @ x[0] / 9, -1, 1))
    assert (np.abs(series - expected) <= found.tail + 1e-12).all()
    assert found.tail < 0.02 * found.diagonal


def test_samples_have_these_eigenvalues():
    """Of an empirical spectrum, the mean over the eigenvalues of a level is off by the order of n^(-1/2)."""
    d, generator, errors = 4, np.random.default_rng(0), []
    exact = rkhs.mercer(gaussian, d, 12, radius=1.0)
    for n in (100, 400):
        off = []
        for _ in range(20):
            values = rkhs.empirical_spectrum(gaussian, on_sphere(generator, n, d)).eigenvalues
            off.append([values[0] / exact.eigenvalues[0] - 1, values[1:5].mean() / exact.eigenvalues[1] - 1])
        errors.append(np.sqrt(np.mean(np.square(off), axis=0)))
    # four times the sample, half of the error: the ratio of two root mean squares of 20 draws has a spread of 20 %
    assert (errors[1] < 0.8 * errors[0]).all()
    assert (errors[1] < 0.05).all()


def test_exponential_kernel_has_bessel_coefficients():
    """`exp(t)`: `mu_k = Gamma(d/2) 2^(d/2-1) I_(k+d/2-1)(1)` (Smola, Ovari & Williamson 2000), until rounding, and then zeros."""
    from scipy.special import iv

    d = 7
    found = rkhs.mercer(lambda a, b: np.exp(a @ b.T), d, 30, radius=1.0)
    exact = math.gamma(d / 2) * 2 ** (d / 2 - 1) * iv(np.arange(31) + d / 2 - 1, 1.0)
    kept = found.resolved
    np.testing.assert_allclose(found.eigenvalues[kept], exact[kept], rtol=1e-10, atol=found.errors[5])
    assert 8 <= kept.sum() < 20
    assert (exact[~kept] <= 2 * found.errors[~kept]).all()
    assert found.tail == pytest.approx(exact[~kept] @ found.multiplicities[~kept], abs=1e-13)


def test_flattened_and_effective_dimension():
    found = rkhs.mercer(gaussian, 3, 20, radius=1.0)
    flat = found.flattened(10)
    np.testing.assert_allclose(flat, np.repeat(found.eigenvalues[:4], [1, 3, 5, 1]))
    scale = found.eigenvalues[2]
    whole = rkhs.spectral_effective_dimension(found.eigenvalues, scale, multiplicities=found.multiplicities)
    assert found.effective_dimension(scale) == pytest.approx(float(whole[0]), rel=1e-10)
    with pytest.raises(ValueError, match="ask for fewer, or compute more degrees"):
        found.flattened(10_000)


def test_power_of_a_function():
    """That of a polynomial is its squared coefficients."""

    def function(t):
        return 2 + 3 * rkhs.orthonormal_polynomials(6, 4, t)[4]

    np.testing.assert_allclose(rkhs.zonal_power(function, 6, 6), [4, 0, 0, 0, 9, 0, 0], atol=1e-12)
    with pytest.raises(ValueError, match="function must return finite values"):
        rkhs.zonal_power(lambda t: t[:2], 6)


def test_refusals():
    conv = nn.Sequential(nn.Conv(4, (3,)), nn.Relu(), nn.Flatten(), nn.Dense(1))
    with pytest.raises(NotImplementedError, match=r"Conv\(.*tells features apart.*empirical_spectrum"):
        rkhs.mercer(nl.kernel(conv).ntk, 8)
    nested = nn.Sequential(nn.Residual(nn.Sequential(nn.GlobalAvgPool(), nn.Dense(3))), nn.Dense(1))
    with pytest.raises(NotImplementedError, match="GlobalAvgPool"):
        rkhs.mercer(nl.kernel(nested).nngp, 8)
    with pytest.raises(ValueError, match="kernel is no function of the angle: rotating both inputs"):
        rkhs.mercer(lambda a, b: np.minimum(a[:, None], b[None]).sum(-1) + 9, 3)
    with pytest.raises(ValueError, match=r"not positive semi-definite on the sphere: its coefficient of degree 1 is -"):
        rkhs.mercer(lambda a, b: 5 - linear(a, b), 3, radius=1.0)
    with pytest.raises(ValueError, match="dimension must be an integer, at least 2; received 1"):
        rkhs.mercer(gaussian, 1)
    with pytest.raises(ValueError, match=r"degrees must be at most 20,000.*received 20001"):
        rkhs.mercer(gaussian, 3, 20_001)
    with pytest.raises(ValueError, match="radius must be finite and positive; received 0"):
        rkhs.mercer(gaussian, 3, radius=0)
    with pytest.raises(TypeError, match=r"\.ntk or \.nngp"):
        rkhs.mercer(nl.kernel(RELU), 3)

"""The law of the Jacobian's singular values against random matrices and against a closed form."""

import numpy as np
import pytest

from nnlimits import nn, signal

erf = np.vectorize(__import__("math").erf)
ACTIVATIONS = {
    "linear": (nn.Identity(), lambda h: h, np.ones_like, 1.0, None),
    "relu": (nn.Relu(), lambda h: np.maximum(h, 0), lambda h: (h > 0) * 1.0, 2**0.5, None),
    "hard tanh": (nn.HardTanh(), lambda h: np.clip(h, -1, 1), lambda h: (abs(h) < 1) * 1.0, 1.2, 0.2),
    "isometric": (nn.HardTanh(), lambda h: np.clip(h, -1, 1), lambda h: (abs(h) < 1) * 1.0, 1.05, 0.0),
    "erf": (nn.Erf(), erf, lambda h: 2 / np.pi**0.5 * np.exp(-(h**2)), 1.0, 0.2),
}


def network(name, depth):
    activation, _, _, w_std, b_std = ACTIVATIONS[name]
    return nn.Sequential(*[nn.Dense(8, w_std=w_std, b_std=b_std), activation] * depth)


def simulated(name, depth, width, weights, seeds, variance=1.0):
    _, phi, slope, w_std, b_std = ACTIVATIONS[name]
    rng = np.random.default_rng(1)
    found = []
    for _ in range(seeds):
        h, jacobian = rng.standard_normal(width), np.eye(width)
        h *= np.sqrt(variance * width) / np.linalg.norm(h)
        for _ in range(depth):
            weight = rng.standard_normal((width, width)) / np.sqrt(width)
            if weights == "orthogonal":
                q, r = np.linalg.qr(weight)
                weight = q * np.sign(np.diag(r))
            before = w_std * weight @ h + (b_std or 0.0) * rng.standard_normal(width)
            h, jacobian = phi(before), slope(before)[:, None] * (w_std * weight @ jacobian)
        found.append(np.linalg.svd(jacobian, compute_uv=False))
    values = np.sort(np.concatenate(found))
    return np.where(values < 1e-12 * values[-1], 0.0, values)


SMALL = 1e-3
"""Below it a finite network has fewer singular values than the law, and more zeros: its rank is the least of its layers'."""


def kolmogorov_distance(spectrum, values):
    """The largest distance of the two distribution functions at singular values above `SMALL`, but for those that many have."""
    atom, at_atom = spectrum.atom
    expected = np.interp(values, spectrum.singular_values, spectrum.cumulative, left=spectrum.zero)
    share = np.arange(1, len(values) + 1) / len(values)
    seen = (values > SMALL) & ((abs(values / atom - 1) > 1e-9) | (at_atom == 0))
    return max(abs(expected - share)[seen].max(), abs(expected - share + 1 / len(values))[seen].max())


def check_share_of_zeros(spectrum, values, width):
    """The rank is the least of the layers' numbers of slopes, each with the error of a binomial: of eight, 1.42 (+- 0.61) errors
    below their mean.
    """
    error = np.sqrt(spectrum.zero * (1 - spectrum.zero) / width)
    assert abs((values == 0).mean() - spectrum.zero - 1.42 * error) <= 4 * 0.61 * error / 2


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("linear", "gaussian"),
        ("relu", "gaussian"),
        pytest.param("isometric", "orthogonal", marks=pytest.mark.slow),
        pytest.param("hard tanh", "orthogonal", marks=pytest.mark.slow),
        pytest.param("erf", "gaussian", marks=pytest.mark.slow),
        pytest.param("erf", "orthogonal", marks=pytest.mark.slow),
        pytest.param("relu", "orthogonal", marks=pytest.mark.slow),
        pytest.param("hard tanh", "gaussian", marks=pytest.mark.slow),
    ],
)
def test_simulated_jacobians(name, weights):
    """Depth 8, four networks of width 400; the share of zeros by itself, as it has larger errors."""
    spectrum = signal.jacobian_spectrum(network(name, 8), weights=weights)
    values = simulated(name, 8, 400, weights, 4)
    assert kolmogorov_distance(spectrum, values) < 0.02
    if name == "relu":  # where all layers have the same share
        check_share_of_zeros(spectrum, values, 400)


@pytest.mark.slow
def test_narrow_law():
    """Nearly linear units between orthogonal weights: all singular values are near one another."""
    spectrum = signal.jacobian_spectrum(network("erf", 8), weights="orthogonal", variance=1e-3)
    narrow = signal.jacobian_spectrum(signal.critical(network("erf", 8)), weights="orthogonal", variance=0.03)
    assert spectrum.moments.spread[-1] > narrow.moments.spread[-1]
    assert kolmogorov_distance(spectrum, simulated("erf", 8, 600, "orthogonal", 4, 1e-3)) < 0.02
    np.testing.assert_allclose(_mean_square(narrow), narrow.moments.mean[-1], rtol=2e-3)


def _mean_square(spectrum):
    return np.trapezoid(spectrum.density * spectrum.singular_values**2, spectrum.singular_values)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_width_1000(name, weights):
    if (name, weights) == ("linear", "orthogonal"):
        return
    spectrum = signal.jacobian_spectrum(network(name, 8), weights=weights)
    assert kolmogorov_distance(spectrum, simulated(name, 8, 1000, weights, 4)) < 0.02


def test_one_gaussian_matrix_is_marchenko_pastur():
    """Singular values of a square Gaussian matrix have the quarter-circle law."""
    spectrum = signal.jacobian_spectrum(nn.Dense(8))
    inside = (spectrum.singular_values > 1e-3) & (spectrum.singular_values < 1.999)
    s = spectrum.singular_values[inside]
    np.testing.assert_allclose(spectrum.density[inside], np.sqrt(4 - s**2) / np.pi, rtol=2e-5, atol=1e-5)


@pytest.mark.slow
def test_singular_values_that_many_have():
    """Orthogonal weights of scale one after a `HardTanh` that cuts little: where it is linear in every layer, all are one."""
    net = nn.Sequential(*[nn.Dense(8), nn.HardTanh()] * 8)
    spectrum = signal.jacobian_spectrum(net, weights="orthogonal", variance=0.3)
    value, share = spectrum.atom
    assert value == 1
    rng = np.random.default_rng(0)
    h, jacobian = rng.standard_normal(400), np.eye(400)
    h *= np.sqrt(0.3 * 400) / np.linalg.norm(h)
    for _ in range(8):
        weight = np.linalg.qr(rng.standard_normal((400, 400)))[0]
        before = weight @ h
        h, jacobian = np.clip(before, -1, 1), (abs(before) < 1)[:, None] * (weight @ jacobian)
    values = np.linalg.svd(jacobian, compute_uv=False)
    assert abs((values > 1 - 1e-9).mean() - share) < 0.03  # eight binomials of 400, each with an error of 0.01 at most
    assert kolmogorov_distance(spectrum, np.sort(values)) < 0.03


def test_moments_of_the_law():
    """The law's first two moments are those found beforehand, at every depth additive (Pennington et al. 2018)."""
    spectrum = signal.jacobian_spectrum(network("relu", 3), points=4000)
    s, density = spectrum.singular_values, spectrum.density
    second, fourth = (np.trapezoid(density * s**k, s) for k in (2, 4))
    np.testing.assert_allclose([second, fourth / second**2 - 1], [1.0, 6.0], rtol=2e-3)
    np.testing.assert_allclose(spectrum.moments.mean, [2, 1, 2, 1, 2, 1])
    np.testing.assert_allclose(spectrum.moments.spread, [1, 2, 3, 4, 5, 6])


@pytest.mark.slow
def test_isometry():
    """Orthogonal weights at small variance have it, Gaussian ones never do with depth (Pennington et al. 2017)."""
    net = signal.critical(network("erf", 8))
    orthogonal = signal.jacobian_moments(net, weights="orthogonal", variance=0.01)
    assert orthogonal.isometry.startswith("yes")
    assert signal.jacobian_moments(net, variance=0.01).isometry.startswith("no: it holds on average")
    assert signal.jacobian_moments(network("hard tanh", 20)).isometry.startswith("no: the mean square")


def test_bad_input():
    with pytest.raises(ValueError, match="weights must be one of 'gaussian', 'orthogonal'; received 'uniform'"):
        signal.jacobian_spectrum(network("relu", 2), weights="uniform")
    with pytest.raises(NotImplementedError, match="LayerNorm"):
        signal.jacobian_moments(nn.Sequential(nn.Dense(3), nn.LayerNorm(), nn.Relu()))
    with pytest.raises(ValueError, match="all singular values are equal"):
        signal.jacobian_spectrum(network("linear", 2), weights="orthogonal")

"""The expansion in 1/width against scalar recursions, exact results, published values and finite networks."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from expectations import panels
from networks import mlp
from simulation import moments

import nnlimits as nl
from nnlimits import nn
from nnlimits.empirical import monte_carlo
from nnlimits.fluctuations import fluctuations, layerwise
from nnlimits.fluctuations.network import read

ROOT2 = math.sqrt(2)
X = np.array([[1.2, 0.6, -0.36], [0.24, -1.2, 1.08]])


def scalar_recursion(q, widths, w2, b2):
    """Single input, tanh: `V' = C_W^2 (<phi^4> - <phi^2>^2)/n + chi_par^2 V`, `G' = chi_par G + C_W/8 <(phi^2)''''> V`."""
    z, w = panels(np.arange(-12.0, 12.5, 0.5))
    rows = [(q, 0.0, 0.0)]
    for width in widths:
        q, v, g = rows[-1]
        u = np.sqrt(q) * z
        t = np.tanh(u)
        s = 1 - t**2
        second = w @ (2 * s**2 - 4 * t**2 * s)  # (tanh^2)''
        fourth = w @ (s * (-16 * s**2 + 88 * s * t**2 - 16 * t**4))  # (tanh^2)''''
        chi = w2 * second / 2
        noise = w2**2 * (w @ t**4 - (w @ t**2) ** 2) / width
        rows.append((b2 + w2 * w @ t**2, noise + chi**2 * v, chi * g + w2 / 8 * fourth * v))
    return np.array(rows)


@pytest.mark.usefixtures("x64")
def test_one_input_follows_the_scalar_recursion():
    widths, w2, b2 = (30, 20, 50, 10) * 50, 1.7, 0.2
    found = layerwise(mlp(widths, nn.Tanh(), math.sqrt(w2), math.sqrt(b2)), X[:1])
    expected = scalar_recursion(b2 + w2 * (X[0] ** 2).mean(), widths, w2, b2)
    got = np.stack([v.reshape(-1) for v in (found.kernel, found.vertex, found.kernel_correction)], axis=1)
    assert (abs(got - expected).max(0) < 1e-11 * abs(expected).max(0)).all()


@pytest.mark.usefixtures("x64")
def test_universal_growth_with_depth():
    """tanh at criticality: `V / K^2` tends to `(2/3) l / n` (Roberts, Yaida & Hanin 2022, chapter 5); corrections log(l)/l."""
    found = layerwise(mlp([100] * 200, nn.Tanh(), 1.0, 0.0), X[:1])
    slope = 100 * (found.kernel_variance[200, 0] - found.kernel_variance[100, 0]) / 100
    assert abs(slope - 2 / 3) < 0.01


@pytest.mark.usefixtures("x64")
def test_relu_networks():
    """`V/K^2 = 5 sum 1/n`, no corrections on the diagonal, and the published simulation at depth 4."""
    widths = (20, 30, 40)
    found = fluctuations(mlp(widths, nn.Relu(), ROOT2, outputs=2), X[:, :2])
    assert abs(found.kernel_variance - sum(5 / n for n in widths)).max() < 1e-12
    assert abs(found.kurtosis - sum(15 / n for n in widths)).max() < 1e-12
    for correction, of in ((found.kernel_correction, found.kernel), (found.ntk_correction, found.ntk)):
        assert abs(np.diag(correction) / np.diag(of)).max() < 1e-13


@pytest.mark.usefixtures("x64")
def test_published_relu_simulation(shared_data):
    """Depth 4 at widths 20 and 80, which leave second orders 16 times apart: of the order (3/20)^2 and (3/80)^2 of the kernel."""
    reference = json.loads((shared_data / "finite_width_ntk" / "reference.json").read_text())["claim3_relu"]
    x = np.array(reference["inputs"])
    for row in (r for r in reference["rows"] if r["activation"] == "ReLU"):
        width = row["width"]
        found = fluctuations(mlp([width] * 3, nn.Relu(), ROOT2, outputs=2), x)
        infinite = np.array(found.ntk)[0] / 2  # the reference leaves out the last layer's C_W
        predicted = infinite + np.array(found.ntk_correction)[0] / 2
        assert abs(infinite - row["infinite_ntk"]).max() < 1e-9
        error = abs(predicted - row["mean"])
        assert (error < 3 * np.array(row["standard_error"]) + infinite[1] * (3 / width) ** 2).all()
        assert abs(infinite[1] - row["mean"][1]) > 10 * row["standard_error"][1]  # and no correction would be seen


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_published_gelu_coefficients(shared_data):
    """Read from a published figure: their spread is the digitization's, 1e-3 and 3e-4."""
    reference = json.loads((shared_data / "finite_width_ntk" / "reference.json").read_text())["claim4_gelu"]
    variance, published = reference["architecture"]["weight_variance"], reference["source_prediction"]
    found = fluctuations(mlp([1] * 3, nn.Gelu(), math.sqrt(variance)), np.array(reference["inputs"]))
    infinite, first = (np.array(v)[0] / variance for v in (found.ntk, found.ntk_correction))
    assert abs(infinite - published["infinite_ntk"]).max() < 1e-5
    error = abs(first - published["first_order_coefficients"])
    assert (error < published["max_coefficient_digitization_spread"]).all()
    for row in reference["rows"]:
        error = abs(infinite + first / row["width"] - row["mean"])
        assert (error < 3 * np.array(row["standard_error"]) + 20 / row["width"] ** 2).all()


def compare(name, activation, samples, widths_depth, tensors_within):
    """Simulated minus predicted, times width squared, at several widths."""
    phi, slope = {
        "tanh": (jnp.tanh, lambda z: 1 - jnp.tanh(z) ** 2),
        "relu": (jax.nn.relu, lambda z: (z > 0) * 1.0),
    }[name]
    w2, b2, x = 1.7, 0.2, X.astype(np.float32)
    left = {}
    for width, count in samples:
        widths = (width,) * widths_depth
        with jax.enable_x64(False):
            seen = moments(
                jax.random.key(width), jnp.asarray(x), widths, phi, slope, w2, b2, count, batch=2**14 // width
            )
        found = fluctuations(mlp(widths, activation, math.sqrt(w2), math.sqrt(b2)), X)
        for i, (mean, infinite, first) in enumerate(
            (("kernel", found.kernel, found.kernel_correction), ("ntk", found.ntk, found.ntk_correction))
        ):
            residual = abs(seen[mean] - np.array(infinite) - np.array(first))
            error = seen["errors"][i]
            assert (residual < 4 * error + 2.0 / width**2).all(), (mean, width, residual, error)
        for tensor in ("vertex", "A", "B", "D", "F"):
            predicted = np.array(getattr(found, tensor))
            left.setdefault(tensor, []).append(abs(seen[tensor] - predicted).max() * width**2)
            scale = abs(predicted).max() * width
            assert left[tensor][-1] < tensors_within * scale, (tensor, width, left[tensor][-1] / scale)
    return left


@pytest.mark.slow
def test_tensors_of_simulated_tanh_networks():
    """Two hidden layers at widths 16 and 32: residuals of V, A, B, D, F are below 5 / width of each tensor's largest entry.

    Their second order is 3.2 / width for A, and less for the others; sampling errors are about 2% of each tensor, 0.7 / width
    (2^14 and 2^13 networks, whose last layer is averaged over exactly). A wrong term of first order would leave a residual of
    the order of the tensor, 16 / width and 32 / width.
    """
    compare("tanh", nn.Tanh(), ((16, 2**14), (32, 2**13)), 2, 5.0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "activation"), [("tanh", nn.Tanh()), ("relu", nn.Relu())])
def test_residuals_fall_as_the_square_of_the_width(name, activation):
    """Three hidden layers at widths 8, 16, 32: residual times width^2 stays where it is, within its own size.

    Largest entries of the tensors; the third order takes a part of the order 1/8 of the residual at width 8.
    """
    left = compare(name, activation, ((8, 2**18), (16, 2**17), (32, 2**16)), 3, 8.0)
    for tensor, residuals in left.items():
        assert max(residuals) < 2 * min(residuals), (tensor, residuals)


@pytest.mark.slow
def test_mean_ntk_of_real_networks_by_their_gradients():
    """Standard parameterization, ReLU, widths 12, 10, 14; 2^14 networks, seed 0.

    The NTK between the two inputs is corrected by a tenth, and the second order is a tenth of that.
    """
    x = np.array([[-0.99, -0.6], [-0.18, 2.25]])
    net = mlp((12, 10, 14), nn.Relu(), ROOT2, 0.1, parameterization="standard")
    seen = monte_carlo(net, 2**14, progress=False)(jax.random.key(0), x.astype(np.float32))
    found = fluctuations(net, x)
    infinite, first = np.array(found.ntk), np.array(found.ntk_correction)
    kernel = nl.kernel(net)(x)
    assert abs(infinite / kernel.ntk - 1).max() < 1e-8
    error = abs(seen.ntk - infinite - first)
    assert (error < 4 * seen.ntk_error + 0.3 * abs(first).max()).all()
    assert abs(seen.ntk - infinite)[0, 1] > 6 * seen.ntk_error[0, 1]


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_derivatives_in_the_hyper_parameters():
    """Forward and reverse mode against central differences of step 1e-4 (error 1e-8 of third derivatives)."""

    def total(w_std):
        found = fluctuations(nn.Sequential(nn.Dense(10, w_std), nn.Tanh(), nn.Dense(1, w_std, 0.1)), jnp.asarray(X[:1]))
        return sum(v.sum() for v in jax.tree.leaves(found))

    compiled = jax.jit(total)
    difference = (compiled(1.3 + 1e-4) - compiled(1.3 - 1e-4)) / 2e-4
    assert abs(jax.jit(jax.grad(total))(1.3) / difference - 1) < 1e-6


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("activation", [nn.Relu(), nn.Tanh()], ids=repr)
def test_derivatives_where_inputs_coincide_or_vanish(activation):
    x = jnp.array([[1.0, 0.5], [1.0, 0.5], [-2.0, -1.0], [0.0, 0.0]])

    def total(w_std, x):
        net = nn.Sequential(nn.Dense(10, w_std), activation, nn.Dense(10, w_std), activation, nn.Dense(1, w_std))
        return sum(v.sum() for v in jax.tree.leaves(fluctuations(net, x)))

    for gradient in jax.jit(jax.grad(total, argnums=(0, 1)))(1.3, x):
        assert bool(jnp.isfinite(gradient).all())


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("activation", [nn.Relu(), nn.Gelu()], ids=repr)
def test_repeated_inputs_and_permutations(activation):
    """A repeated input repeats its numbers, however they are reached; the order of inputs does not matter."""
    x = np.random.default_rng(0).normal(size=(3, 4))
    net = mlp((10, 20), activation, 1.4)
    found = fluctuations(net, x[[2, 0, 1, 0]])
    plain = fluctuations(net, x[[0, 1, 2]])
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(plain), strict=True):
        expected = np.array(b)[np.ix_(*[[2, 0, 1, 0]] * b.ndim)]
        assert abs(np.array(a) - expected).max() < 1e-6 * abs(expected).max()


def test_single_precision():
    """Within 1e-4 of each result's largest entry: rounding of 1e-7 in terms of opposite sign, up to a hundred times their sum."""
    net = mlp((20, 30, 40), nn.Tanh(), 1.5, 0.2)
    single, double = (fluctuations(net, X[:1].astype(d)) for d in (np.float32, np.float64))
    for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        assert a.dtype == np.float32
        assert b.dtype == np.float64
        assert abs(np.array(a) - np.array(b)).max() <= 1e-4 * abs(np.array(b)).max()


def test_reading_of_expressions():
    """Nested and repeated layers, scales and identities are what they say."""
    x = jnp.asarray(X, jnp.float32)
    block = nn.Sequential(nn.Dense(30, 1.5, 0.1), nn.Tanh())
    plain = nn.Sequential(*block.layers, *block.layers, nn.Dense(1))
    same = nn.Sequential(nn.Repeat(block, 2), nn.Identity(), nn.Dense(1))
    for a, b in zip(read(same, x).steps, read(plain, x).steps, strict=True):
        assert jax.tree.map(float, a) == jax.tree.map(float, b)
    scaled = nn.Sequential(nn.Dense(30, 1.0, 0.5), nn.Scale(2.0), nn.Tanh(), nn.Scale(3.0), nn.Dense(1, 0.5, 0.1))
    plain = nn.Sequential(nn.Dense(30, 2.0, 1.0), nn.Tanh(), nn.Dense(1, 1.5, 0.1))
    for a, b in zip(jax.tree.leaves(read(scaled, x)), jax.tree.leaves(read(plain, x)), strict=True):
        assert np.allclose(a, b, rtol=1e-6)
    linear = read(nn.Sequential(nn.Dense(30), nn.Dense(1)), x)
    assert linear.steps[0].activation == nn.Identity()
    assert float(linear.steps[0].width) == 30


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Dense(8), nn.Relu()), "ends in nn.Dense"),
        (nn.Sequential(nn.Dense(8), nn.Relu(), nn.Tanh(), nn.Dense(1)), "directly after"),
        (nn.Sequential(nn.Dense(8), nn.LayerNorm(), nn.Dense(1)), "LayerNorm has no rule at .*monte_carlo"),
        (nn.Sequential(nn.Dense(3), nn.Residual(nn.Dense(3)), nn.Dense(1)), "Residual has no rule"),
        (nn.Sequential(nn.Dense(8), nn.Sign(), nn.Dense(1)), "Sign jumps"),
        (nn.Sequential(nn.Dense(8), nn.RectifiedMonomial(0), nn.Dense(1)), "jumps"),
        (nn.Sequential(nn.Dense(3), nn.Repeat(nn.Dense(3), math.inf), nn.Dense(1)), "depth/width"),
    ],
)
def test_what_is_not_supported(network, message):
    with pytest.raises(NotImplementedError, match=message):
        fluctuations(network, X)


def test_bad_inputs():
    net = nn.Sequential(nn.Dense(8), nn.Relu(), nn.Dense(1))
    with pytest.raises(ValueError, match="nan"):
        fluctuations(net, np.array([[np.nan, 1.0]]))
    with pytest.raises(TypeError):
        fluctuations("network", X)  # pyright: ignore[reportArgumentType]

"""Kernels of neural ODEs: exact solutions, the solver, and simulated networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from depth_samples import relative, sampled_kernels
from scipy.special import iv

import nnlimits as nl
from nnlimits import nn
from nnlimits.kernels import ode_fineness
from nnlimits.kernels.goursat import collocation

X = np.random.default_rng(0).standard_normal((5, 4))
X[1], X[2], X[3] = -X[0], 2 * X[0], X[0] + 1e-7 * X[4]
FIELD = nn.Sequential(nn.Relu(), nn.Dense(1, 1.4, b_std=0.3))


def network(field, width=1, **options):
    return nn.Sequential(nn.Dense(width, b_std=0.1), nn.NeuralODE(field, **options), nn.Dense(1))


def of_linear_fields(start, z):
    """`x_s = exp(s W) x_0` has the NNGP `K_0 sum_j z^j / (j!)^2`, `z = w^2 s t`; the NTK's series follows from its equation."""
    terms, factorial = [1.0], 1.0
    for j in range(80):
        factorial *= max(j, 1)
        terms.append((1 / factorial**2 + terms[-1]) / (j + 1) ** 2)
    nngp = iv(0, 2 * np.sqrt(z))
    return start * nngp, start * (nngp + np.polyval(terms[::-1], z))


@pytest.mark.parametrize(
    ("w", "end"),
    [(1.2, 1.0), (1.2, 1.5), (1.0, 5.0), *(pytest.param(w, 1.0, marks=pytest.mark.slow) for w in (2.0, 3.0, 4.0, 5.0))],
)
def test_linear_fields_have_bessel_functions(w, end, x64):
    """To the accuracy that `FINENESS` promises, up to the reach at which kernels are refused."""
    net = network(nn.Dense(1, w, b_std=None), span=(0.0, end))
    expected = of_linear_fields(X @ X.T / 4 + 0.01, (w * end) ** 2)
    for one, exact in zip(nl.kernel(net)(X), expected, strict=True):
        np.testing.assert_allclose(one, exact, rtol=1e-8)


@pytest.mark.parametrize("reach", [*(pytest.param(r, marks=pytest.mark.slow) for r in (2.0, 3.0, 4.0)), 5.0])
def test_linear_fields_in_single_precision(reach):
    """Below 1e-4 of the diagonal, as promised, and up to a reach of 4 below 3e-5."""
    found = nl.kernel(network(nn.Dense(1, reach, b_std=None)))(X.astype(np.float32))
    for one, exact in zip(found, of_linear_fields(X @ X.T / 4 + 0.01, reach**2), strict=True):
        np.testing.assert_array_less(abs(relative(one - exact, exact)), 3e-5 if reach <= 4 else 1e-4)


def test_fields_beyond_the_reach_are_refused(x64):
    for field, span in [(nn.Dense(1, 5.1), (0.0, 1.0)), (nn.Dense(1), (1.0, 6.5))]:
        with pytest.raises(ValueError, match=r"up to w_std s = 5, .* here span=\(.*Dense\(1.* make 5"):
            nl.kernel(network(field, span=span)).nngp(X)


def test_traced_fields_beyond_their_reach_are_nan(x64):
    """What is known only when compiled is computed up to a reach of 3."""

    @jax.jit
    def diagonal(w):
        return jnp.stack(nl.kernel(network(nn.Dense(1, w, b_std=None))).diagonal(jnp.asarray(X[:2])))

    expected = [np.diag(kernel) for kernel in of_linear_fields(X[:2] @ X[:2].T / 4 + 0.01, 9)]
    np.testing.assert_allclose(diagonal(3.0), expected, rtol=1e-8)
    assert np.isnan(diagonal(3.01)).all()


def test_what_has_not_settled_is_nan(x64, monkeypatch):
    """With iterations for a reach of 2 only, a reach of 5 is NaN, and not what the iterations have come to."""
    few = ode_fineness.Fineness(5.0, 10, 10)
    monkeypatch.setitem(ode_fineness.FINENESS, "float64", [few])
    found = nl.kernel(network(nn.Dense(1, 4.9, b_std=None)))
    assert np.isnan(jax.jit(found.nngp)(X[:3])).all()
    monkeypatch.undo()
    jax.clear_caches()


def test_as_many_inputs_as_pairs_of_depths():
    """The axes of inputs and of pairs of depths have one size, and are not taken for one another."""
    count = ode_fineness.FINENESS["float32"][0].pairs
    x = np.random.default_rng(1).standard_normal((count, 4)).astype(np.float32)
    kernel = nl.kernel(network(nn.Dense(1, 1.4, b_std=0.3)))
    few = kernel.nngp(x[:3])
    np.testing.assert_allclose(kernel.diagonal(x).nngp[:3], np.diag(few), rtol=1e-5)
    np.testing.assert_allclose(jax.jit(kernel.nngp)(x[:3], x)[:, :3], few, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("w_std", "finer"), [(1.4, (13, 20)), (4.9, (18, 32))])
def test_solver_of_a_kinked_field(w_std, finer, x64, monkeypatch):
    """Against more nodes and iterations: to 1e-8 of the diagonal for all pairs, opposite inputs and multiples among them."""
    net = network(nn.Sequential(nn.Relu(), nn.Dense(1, w_std, b_std=0.3)))
    found = nl.kernel(net)(X)
    diagonal = nl.kernel(net).diagonal(X)
    jax.clear_caches()
    monkeypatch.setitem(ode_fineness.FINENESS, "float64", [ode_fineness.Fineness(5.0, *finer)])
    finest = nl.kernel(net)(X)
    jax.clear_caches()
    for one, other, alone in zip(found, finest, diagonal, strict=True):
        np.testing.assert_array_less(abs(relative(one - other, other)), 1e-8)
        np.testing.assert_allclose(one, one.T, rtol=1e-14)
        np.testing.assert_allclose(np.diag(one), alone, rtol=1e-13)
        assert np.linalg.eigvalsh(one)[0] > -1e-8 * np.trace(one)


@pytest.mark.slow
def test_single_precision(x64):
    """Seven nodes leave 1e-5; angles of near-duplicates are known to the root of the rounding, 1e-3."""
    single, double = (nl.kernel(network(FIELD)).ntk(x) for x in (X.astype(np.float32), X))
    np.testing.assert_array_less(abs(relative(np.asarray(single, float) - double, double)), 1e-3)


@pytest.mark.slow
def test_gradients(x64):
    """Against central differences of step 1e-4, whose own error is of order 1e-8."""

    @jax.jit
    def total(w_std):
        return nl.kernel(network(nn.Sequential(nn.Relu(), nn.Dense(1, w_std)))).ntk(jnp.asarray(X[[0, 4]])).sum()

    np.testing.assert_allclose(jax.grad(total)(1.3), (total(1.3001) - total(1.2999)) / 2e-4, rtol=1e-6)


def test_collocation_is_exact_for_polynomials_in_each_triangle():
    """Integrals of `|s - t|` over [0, a] x [0, b], which bends along the diagonal: `(a^3 + b^3 - |a - b|^3) / 6`."""
    rule = collocation(6)
    half = rule.pairs // 2
    s, t = rule.first, np.roll(rule.first, half)
    values = abs(s - t)
    np.testing.assert_allclose(rule.rectangles @ values, (s**3 + t**3 - abs(s - t) ** 3) / 6, atol=1e-13)
    np.testing.assert_allclose(rule.squares @ values, s**3 / 3, atol=1e-13)
    np.testing.assert_allclose(rule.whole @ values, [1 / 3], rtol=1e-13)


@pytest.mark.parametrize(
    ("ode", "message"),
    [
        (nn.NeuralODE(nn.Dense(4), time_dependent=True), "time_dependent"),
        (nn.NeuralODE(nn.Dense(5), augment=1), "augment"),
        (nn.NeuralODE(nn.Sequential(nn.Dense(4), nn.Relu())), "must end in a layer with weights"),
    ],
    ids=["time", "augment", "not fresh"],
)
def test_what_has_no_rule_says_so(ode, message):
    with pytest.raises(NotImplementedError, match=message):
        nl.kernel(nn.Sequential(nn.Dense(4), ode, nn.Dense(1)))(X)


@pytest.mark.slow
def test_finite_networks_approach_it(x64):
    """The mean over draws is off by at most 3/n of the diagonal at width n = 32 and 128, plus four standard errors."""
    x = X[[0, 1, 4]]
    limit = nl.kernel(network(FIELD))(x)
    for width in (32, 128):
        field = nn.Sequential(nn.Relu(), nn.Dense(width, 1.4, b_std=0.3))
        finite = network(field, width, solver="dopri5", steps=4, adjoint="direct")
        for (mean, error), kernel in zip(sampled_kernels(finite, x, 2000, 0), limit, strict=True):
            off = abs(relative(mean - kernel, kernel))
            np.testing.assert_array_less(off, 4 * relative(error, kernel) + 3 / width)

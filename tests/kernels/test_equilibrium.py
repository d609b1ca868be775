"""Kernels of equilibrium networks: fixed points of the cell's rules, their derivatives, and cells that have none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from depth_samples import relative, sampled_kernels

import nnlimits as nl
from nnlimits import nn
from nnlimits.kernels.depth_fixed_point import fixed_point

X = np.random.default_rng(0).standard_normal((5, 4))
X[1], X[2], X[3] = -X[0], 2 * X[0], X[0] + 1e-7 * X[4]


def network(width=1, w_std=0.6, activation=nn.Relu(), **options):
    cell = nn.Cell(nn.Dense(width, w_std, b_std=None), nn.Dense(width, 1.1, b_std=0.3), activation)
    return nn.Sequential(nn.Equilibrium(cell), nn.Dense(1), **options)


def rectified(k):
    """`E[relu relu]` and `E[step step]` by the arc-cosine formulas."""
    root = np.sqrt(np.diag(k))
    c = np.clip(k / np.outer(root, root), -1, 1)
    theta = np.arccos(c)
    return np.outer(root, root) * (np.sin(theta) + (np.pi - theta) * c) / (2 * np.pi), (np.pi - theta) / (2 * np.pi)


def iterated(x, w, layers=400):
    """NNGP and NTK of a network of many layers with the input in each, in the place of a fixed point."""
    k = drive = 1.1**2 * x @ x.T / x.shape[1] + 0.3**2
    theta = k
    for _ in range(layers):
        value, slope = rectified(k)
        k = w**2 * value + drive
        theta = k + w**2 * slope * theta
    value, slope = rectified(k)
    assert np.allclose(theta, k / (1 - w**2 * slope))  # the formula of the fixed point
    return value, value + slope * theta


def test_is_the_limit_of_many_layers(x64):
    """To 1e-9 away from coincident inputs, whose angles the reference has to 1e-8 only: those are left out."""
    found = nl.kernel(network())(X)
    apart = ~np.eye(5, dtype=bool)
    apart[[0, 0, 1, 2, 2, 3, 3, 3, 1], [2, 3, 3, 0, 3, 0, 2, 1, 3]] = False
    for one, expected in zip(found, iterated(X, 0.6), strict=True):
        np.testing.assert_allclose(np.asarray(one)[apart], expected[apart], rtol=1e-9)
        np.testing.assert_allclose(one, expected, rtol=3e-7)
        np.testing.assert_array_equal(one, one.T)
        assert np.linalg.eigvalsh(one)[0] > -1e-13 * np.trace(one)
    for one, alone in zip(found, nl.kernel(network()).diagonal(X), strict=True):
        np.testing.assert_allclose(np.diag(one), alone, rtol=1e-13)


@pytest.mark.parametrize(("left", "x"), [(5e-3, X), (1e-8, X[[0, 1, 4]])], ids=["all pairs", "pairs apart"])
def test_cells_that_hardly_contract(left, x, x64):
    """With `chi = 1 - left` of a ReLU, variances are `q / left`, and NTKs that over `left`: to the `4 eps / left` of the docs."""
    cell = nn.Cell(nn.Dense(1, np.sqrt(2 * (1 - left)), b_std=None), nn.Dense(1), nn.Relu())
    found = nl.kernel(nn.Sequential(nn.Equilibrium(cell), nn.Dense(1)))(x)
    variance = (x**2).mean(1) / (1 - cell.recurrent.w_std**2 / 2)
    error = 8 * np.finfo(float).eps / left
    np.testing.assert_allclose(np.diag(found.nngp), variance / 2, rtol=error)
    np.testing.assert_allclose(np.diag(found.ntk), variance / 2 * (1 + 1 / left), rtol=3 * error)
    assert np.linalg.eigvalsh(found.nngp)[0] > -10 * error * np.trace(found.nngp)


def test_cells_too_near_to_no_contraction_are_refused():
    cell = nn.Cell(nn.Dense(1, np.sqrt(2 - 4e-4), b_std=None), nn.Dense(1), nn.Relu())
    with pytest.raises(
        ValueError, match=r"is below 1 by 0\.0002 only, too near for float32, .* less than 1 by 0\.00048"
    ):
        nl.kernel(nn.Sequential(nn.Equilibrium(cell), nn.Dense(1))).nngp(X.astype(np.float32))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda cell: nn.Residual(nn.Sequential(cell, nn.Dense(1))),
        lambda cell: nn.Parallel(nn.Dense(1), nn.Sequential(cell, nn.Dense(1))),
        lambda cell: nn.Repeat(nn.Sequential(cell, nn.Dense(1)), 3),
    ],
    ids=["residual", "parallel", "repeat"],
)
def test_cells_within_other_layers_are_checked_too(wrap):
    cell = nn.Equilibrium(nn.Cell(nn.Dense(1, 1.5, b_std=None), nn.Dense(1), nn.Relu()))
    with pytest.raises(ValueError, match=r"does not contract at input 0: .* is 1\.125, where"):
        nl.kernel(nn.Sequential(nn.Dense(1), wrap(cell), nn.Dense(1))).nngp(X)


@pytest.mark.slow
def test_gradients_are_those_of_the_fixed_point(x64):
    """Against central differences of step 1e-4, whose own error is of order 1e-8."""

    @jax.jit
    def total(w_std, x):
        return nl.kernel(network(w_std=w_std)).ntk(x).sum()

    in_scale, in_inputs = jax.jit(jax.grad(total, (0, 1)))(0.6, jnp.asarray(X))
    np.testing.assert_allclose(in_scale, (total(0.6001, X) - total(0.5999, X)) / 2e-4, rtol=1e-6)
    assert np.isfinite(in_inputs).all()


@pytest.mark.slow
def test_convolutional_cell_is_that_of_many_layers(x64):
    """Of a linear cell: the sum of the kernels of networks of 0, 1, 2, ... convolutions, of which four leave 0.25^4 and less."""
    x = np.random.default_rng(1).standard_normal((2, 4, 4, 2))
    cell = nn.Cell(nn.Conv(4, 3, w_std=0.5), nn.Conv(4, 3, b_std=0.2), nn.Identity())
    found = nl.kernel(nn.Sequential(nn.Equilibrium(cell), nn.Flatten(), nn.Dense(1)))(x)

    def layers(count):  # of a linear cell: z = sum over j of W^j U x, whose terms are independent but for tied weights
        row, total = nn.Conv(4, 3, b_std=0.2), None
        for _ in range(count):
            branch = nn.Sequential(row, nn.Flatten(), nn.Dense(1))
            total = nl.kernel(branch).nngp(x) if total is None else total + nl.kernel(branch).nngp(x)
            row = nn.Sequential(row, nn.Conv(4, 3, w_std=0.5))
        return total

    np.testing.assert_allclose(found.nngp, layers(4), rtol=2 * 0.25**4)


def test_cells_that_do_not_contract_are_refused():
    with pytest.raises(ValueError, match=r"does not contract at input 0: .* is 1\.125, where"):
        nl.kernel(network(w_std=1.5))(X)
    with pytest.raises(ValueError, match="does not contract"):
        nl.kernel(network(w_std=1.5)).diagonal(X)
    net = network(
        w_std=1.3, activation=nn.Erf()
    )  # saturates at these inputs, not at zeros with which tiles are filled up
    assert np.isfinite(nl.kernel(net).nngp(X[:2])).all()
    with pytest.raises(ValueError, match="does not contract at input 2"):
        nl.kernel(net).nngp(np.concatenate([X[:2], np.zeros((1, 4))]))


@pytest.mark.slow
def test_constraints_are_refused_where_they_act():
    def constrained(w_std, constraint):
        cell = nn.Cell(nn.Dense(1, w_std, b_std=None), nn.Dense(1, 1.1, b_std=0.3), nn.Relu(), constraint)
        return nn.Sequential(nn.Equilibrium(cell), nn.Dense(1))

    free = nl.kernel(network(w_std=0.4)).nngp(X)
    np.testing.assert_array_equal(nl.kernel(constrained(0.4, nn.NormBound(0.9))).nngp(X), free)
    for net in (constrained(0.6, nn.NormBound(0.9)), constrained(0.4, nn.Monotone())):
        with pytest.raises(NotImplementedError, match="changes the law"):
            nl.kernel(net).nngp(X)


def test_fixed_points_and_their_derivatives(x64):
    """`x = a cos(x)`, with `dx/da = cos(x) / (1 + a sin(x))`; NaN where the iteration does not settle."""

    def solution(a):
        return fixed_point(lambda x: a * jnp.cos(x), jnp.ones(1))[0]

    x = solution(0.8)
    np.testing.assert_allclose(x, 0.8 * np.cos(x), rtol=1e-15)
    expected = np.cos(x) / (1 + 0.8 * np.sin(x))
    np.testing.assert_allclose(jax.grad(solution)(0.8), expected, rtol=1e-13)
    np.testing.assert_allclose(jax.jvp(solution, (0.8,), (1.0,))[1], expected, rtol=1e-13)
    assert np.isnan(fixed_point(lambda x: 1 - 2 * x, jnp.ones(1)))
    assert not np.isfinite(fixed_point(lambda x: x + 1, jnp.ones(1)))


def test_slow_fixed_points_and_their_derivatives(x64):
    """`x = a x + c`, of rates up to `1 - 1e-6`, beside one that is fast: in fewer than 3000 iterations."""
    rates = jnp.array([0.9, 0.999, 1 - 1e-6])
    start = {"slow": jnp.ones(3), "fast": jnp.ones(3)}
    both = fixed_point(lambda x: {"slow": rates * x["slow"] + 1 + x["fast"], "fast": 0.3 * jnp.cos(x["fast"])}, start)
    np.testing.assert_allclose(both["slow"], (1 + both["fast"]) / (1 - rates), rtol=1e-8)
    gradient = jax.grad(lambda a: fixed_point(lambda x: a * x + 1, jnp.ones(3)).sum())(rates)
    np.testing.assert_allclose(gradient, 1 / (1 - rates) ** 2, rtol=1e-8)


@pytest.mark.slow
def test_finite_networks_approach_it(x64):
    """The mean over draws is off by at most 3/n of the diagonal at width n = 32 and 128, plus four standard errors: the order 1/n
    with a constant of the size of a network of three layers.
    """
    x = X[[0, 1, 4]]
    limit = nl.kernel(network(w_std=0.4))(x)

    def finite(width):
        cell = nn.Cell(nn.Dense(width, 0.4, b_std=None), nn.Dense(width, 1.1, b_std=0.3), nn.Relu())
        return nn.Sequential(nn.Equilibrium(cell), nn.Dense(1))

    for width in (32, 128):
        for (mean, error), kernel in zip(sampled_kernels(finite(width), x, 2000, 0), limit, strict=True):
            off = abs(relative(mean - kernel, kernel))
            np.testing.assert_array_less(off, 4 * relative(error, kernel) + 3 / width)

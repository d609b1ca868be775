"""Solutions with their reports, well-posedness, and the penalty of the Jacobian."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import infinite_depth, nn

KEY = jax.random.key(0)


def layer(w_std, constraint=None, width=8):
    return nn.Equilibrium(nn.Cell(nn.Dense(width, w_std=w_std, b_std=None), nn.Dense(width), constraint=constraint))


def data(n=4):
    return jnp.asarray(np.random.default_rng(0).normal(size=(n, 3)))


def jacobians(w_std, params, z):
    """Of `tanh(w_std / sqrt(width) W z + ...)`, at its fixed points."""
    weight = w_std / np.sqrt(len(z[0])) * np.asarray(params["recurrent"]["weight"])
    return (1 - np.asarray(z) ** 2)[:, :, None] * weight.T


def test_solutions_are_outputs_and_reports(x64):
    network = nn.Sequential(layer(0.5), nn.Dense(2))
    params = network.init(KEY, (3,), dtype=jnp.float64)
    found = infinite_depth.solutions(network, params, data())
    np.testing.assert_array_equal(found.outputs, network.apply(params, data()))
    assert [report.layer for report in found.reports] == [network.layers[0]]
    assert set(found.reports[0].statistics) == {
        *("evaluations", "steps", "residual", "ratio", "converged", "contraction_bound", "unique")
    }


@pytest.mark.parametrize(
    ("w_std", "constraint", "guarantee"),
    [
        (1.2, None, "none"),
        pytest.param(0.3, None, "norm", marks=pytest.mark.slow),
        pytest.param(1.2, nn.NormBound(0.8), "constraint", marks=pytest.mark.slow),
        pytest.param(1.2, nn.Monotone(0.5), "constraint", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_well_posedness_says_why_and_finds_the_spectral_radius(w_std, constraint, guarantee, x64):
    network = layer(w_std, constraint)
    params = network.init(KEY, (3,), dtype=jnp.float64)
    (found,) = infinite_depth.well_posedness(network, params, data())
    assert found.layer == network
    assert found.guarantee == guarantee
    if constraint is None:
        exact = jacobians(w_std, params, network.apply(params, data()))
        radius = np.abs(np.linalg.eigvals(exact)).max(axis=1)
        np.testing.assert_allclose(found.spectral_radius, radius, rtol=1e-6)
        norm = w_std / np.sqrt(8) * np.linalg.norm(params["recurrent"]["weight"], 2)
        assert norm <= found.contraction_bound <= 1.01 * norm
    elif isinstance(constraint, nn.NormBound):
        assert found.contraction_bound == 0.8
        assert (found.spectral_radius < 0.8).all()
    else:
        assert np.isinf(found.contraction_bound)


@pytest.mark.slow
def test_well_posedness_of_repeated_blocks_and_under_transformations():
    network = nn.Sequential(nn.Dense(8), nn.Repeat(nn.Residual(layer(0.4)), 2), nn.Dense(1))
    params, x = network.init(KEY, (3,)), data().astype(jnp.float32)
    (found,) = infinite_depth.well_posedness(network, params, x)
    assert found.spectral_radius.shape == (2, 4)
    assert found.contraction_bound.shape == (2,)
    with pytest.raises(TypeError, match="well_posedness reads values, which are not known inside jit"):
        jax.jit(lambda x: infinite_depth.well_posedness(network, params, x))(x)


@pytest.mark.slow
def test_the_jacobian_penalty_is_an_unbiased_estimate_of_the_frobenius_norm(x64):
    """4,000 probes of |v^T J|^2 / d have a relative deviation of at most sqrt(2 / 4000) = 2.2% each; four times that is
    allowed."""
    network = layer(0.9)
    params = network.init(KEY, (3,), dtype=jnp.float64)
    exact = (jacobians(0.9, params, network.apply(params, data())) ** 2).sum() / (4 * 8)
    estimate = infinite_depth.jacobian_penalty(network, params, data(), jax.random.key(1), probes=4000)
    assert estimate == pytest.approx(exact, rel=4 * np.sqrt(2 / 4000))


@pytest.mark.slow
def test_the_jacobian_penalty_can_be_differentiated(x64):
    """Against a central difference with the same probes, in a network with two equilibrium layers."""
    network = nn.Sequential(layer(0.6), layer(0.5), nn.Dense(1))
    params = network.init(KEY, (3,), dtype=jnp.float64)

    @jax.jit
    def penalty(scale):
        scaled = jax.tree.map(lambda leaf: scale * leaf, params)
        return infinite_depth.jacobian_penalty(network, scaled, data(), jax.random.key(1), probes=2)

    slope = jax.grad(penalty)(1.0)
    assert slope == pytest.approx(float(penalty(1 + 1e-4) - penalty(1 - 1e-4)) / 2e-4, rel=1e-5)
    with pytest.raises(ValueError, match=r"network has no layer with a fixed point.*received nn.Dense\(2\)"):
        infinite_depth.jacobian_penalty(nn.Dense(2), nn.Dense(2).init(KEY, (3,)), data(), KEY)


def test_networks_without_equilibria_and_other_objects():
    plain = nn.Dense(2)
    params = plain.init(KEY, (3,))
    for call in (
        lambda: infinite_depth.well_posedness(plain, params, data()),
        lambda: infinite_depth.jacobian_penalty(plain, params, data(), KEY),
    ):
        with pytest.raises(ValueError, match="network has no layer with a fixed point, such as"):
            call()
    for call in (infinite_depth.solutions, infinite_depth.well_posedness):
        with pytest.raises(TypeError, match="network must be a Layer; received str"):
            inspect.unwrap(call)("a", params, data())

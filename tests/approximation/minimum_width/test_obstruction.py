"""What is too narrow: the floors against the best there is, and trained networks above them."""

import numpy as np
import pytest
from scipy.optimize import minimize

from nnlimits.approximation import minimum_width
from nnlimits.approximation.minimum_width.experiments import CASES, approached, too_narrow
from nnlimits.approximation.minimum_width.obstruction import (
    bowl,
    bowl_floor,
    hyperplane_floor,
    simplex_covariance,
    simplex_curve,
    simplex_sup_floor,
)
from nnlimits.plots import minimum_width as figures


@pytest.mark.parametrize("dimension", [2, 3])
def test_bowl_floor_is_the_variance_along_chords_of_the_ball(dimension):
    # Monte Carlo of the definition: chords by their distance from the centre, the variance of |x|^2 along each
    rng = np.random.default_rng(0)
    across = rng.uniform(-1, 1, (200_000, dimension - 1))
    h = np.sqrt(np.maximum(0, 1 - (across**2).sum(axis=1)))
    t = np.linspace(-1, 1, 401)[None] * h[:2000, None]
    # variance of t^2 on a uniform grid of 401 points differs from the integral by 1 / 400 relative
    np.testing.assert_allclose((t**2).var(axis=1), 4 * h[:2000] ** 4 / 45, rtol=0.02)
    # the chord's length over the cube's side is its weight; 2e5 draws leave 0.5 percent
    wanted = np.sqrt((h * 4 * h**4 / 45).mean())
    assert bowl_floor(dimension) == pytest.approx(wanted, rel=0.01)


def test_functions_along_any_direction_are_above_the_floor():
    # the best function of a x: the conditional mean, found in bins; 1e5 points in 60 bins leave a percent
    target = bowl(2)
    x = np.random.default_rng(1).uniform(-1, 1, (100_000, 2))
    values = target(x)[:, 0]
    best = []
    for angle in np.linspace(0, np.pi / 2, 7):
        along = x @ [np.cos(angle), np.sin(angle)]
        bins = np.digitize(along, np.quantile(along, np.linspace(0, 1, 61)[1:-1]))
        left = values - np.array([values[bins == b].mean() for b in range(60)])[bins]
        best.append(np.sqrt((left**2).mean()))
    assert min(best) > bowl_floor(2)
    assert best[0] == pytest.approx(
        np.sqrt(4 / 45), rel=0.01
    )  # along an axis: the variance of the other coordinate's square


@pytest.mark.parametrize("outputs", [2, 3, 4])
def test_covariance_of_the_curve(outputs):
    target = simplex_curve(outputs)
    t = (np.arange(200_000)[:, None] + 0.5) / 200_000
    np.testing.assert_allclose(np.cov(target(t).T, bias=True), simplex_covariance(outputs), atol=1e-8)


@pytest.mark.parametrize("outputs", [2, 3, 4])
def test_hyperplane_floor_is_the_best_of_all_hyperplanes(outputs):
    covariance = simplex_covariance(outputs)

    def distance(a):
        return np.sqrt(a @ covariance @ a) / np.abs(a).sum()

    starts = np.random.default_rng(0).standard_normal((40, outputs))
    found = min(
        minimize(distance, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).fun for start in starts
    )
    assert hyperplane_floor(covariance) == pytest.approx(found, rel=1e-6)


def test_hyperplane_floor_refuses_functions_in_a_hyperplane():
    with pytest.raises(ValueError, match="no obstruction"):
        hyperplane_floor(np.diag([1.0, 0.0]))


def test_sup_floor_of_the_curve_against_all_hyperplanes():
    corners = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    a = np.random.default_rng(0).standard_normal((100_000, 3))
    a /= np.abs(a).sum(axis=1, keepdims=True)
    half_spread = np.ptp(corners @ a.T, axis=0) / 2
    assert half_spread.min() >= simplex_sup_floor(3)
    assert half_spread.min() == pytest.approx(simplex_sup_floor(3), rel=0.05)


def test_the_theorems_width_goes_below_the_floors():
    for target, floor in ((bowl(2), bowl_floor(2)), (simplex_curve(3), hyperplane_floor(simplex_covariance(3)))):
        found = minimum_width(target, bits=3)
        assert found.error.l2 < floor
        assert found.certificate.rigorous


@pytest.mark.slow
def test_trained_networks_stay_above_the_floors():
    found = too_narrow(depths=(1, 2), seeds=4, steps=400, bits=(2, 4))
    for one in found:
        for trained in one.trained:
            assert trained.l2.min() > one.floor
            assert trained.sup.min() > one.sup_floor
        assert one.constructed[-1].certificate.bound < 2 * one.floor
    assert len(figures.minimum_width(found).axes) == 2


def test_networks_approach_each_kind_of_function_below_their_certificates():
    cases = [case._replace(bits=case.bits[:2]) for case in CASES if case.dimension == 1 or case.name == "discontinuous"]
    found = approached(tuple(cases[:4]))
    assert {one.case.name for one in found} == {"smooth", "kinked", "oscillating", "discontinuous"}
    for one in found:
        assert all(network.holds and network.certificate.rigorous for network in one.approximations)
    assert len(figures.minimum_width_rates(found).axes) == 4


@pytest.mark.slow
def test_rates_are_as_promised():
    for one in approached():
        assert all(network.holds and network.certificate.rigorous for network in one.approximations)
        # jumps fall at another place in their cells at each K, which leaves 0.1
        assert one.rate.slope == pytest.approx(one.case.promised, abs=0.1)

"""Ridge regression by rows: the same numbers as by features."""

import numpy as np
import pytest

from nnlimits.random_features import DualRidge, RidgeStatistics, ridge_on_rows

random = np.random.default_rng(0)
PHI = random.normal(size=(40, 90)) * np.logspace(0, -1.5, 90)
Y = np.stack([PHI[:, 0] + 0.1 * random.normal(size=40) + 3.0, random.normal(size=40)], 1)


@pytest.mark.parametrize("ridge", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("rows", [1, 7, 40])
def test_the_same_as_by_features(rows, ridge):
    dual, primal = DualRidge(PHI[:rows], Y[:rows]), RidgeStatistics(90, 2).partial_fit(PHI[:rows], Y[:rows])
    ours, theirs = dual.solve(ridge), primal.solve(ridge)
    # both round by eps times the condition number, at most 1e6
    for name in ("weights", "offset", "effective_dimension", "residual"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-8, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(ours.leverage(PHI), theirs.leverage(PHI), rtol=1e-8, atol=1e-9)


def test_the_same_selection():
    dual, primal = DualRidge(PHI, Y).select(), RidgeStatistics(90, 2).partial_fit(PHI, Y).select()
    assert dual.ridge == pytest.approx(primal.ridge, rel=1e-6)
    np.testing.assert_allclose(dual.weights, primal.weights, rtol=1e-6, atol=1e-9)
    assert dual.validation == pytest.approx(primal.validation, rel=1e-6)


def test_the_smaller_system_is_solved():
    assert len(ridge_on_rows(PHI, Y).solve(0.1).lower) == 40
    assert len(ridge_on_rows(PHI[:, :20], Y).solve(0.1).lower) == 20
    single = ridge_on_rows(PHI.astype(np.float32), Y[:, 0]).solve(0.1)
    np.testing.assert_allclose(single.weights, DualRidge(PHI, Y).solve(0.1).weights[:, :1], atol=1e-5)


def test_rows_in_batches(monkeypatch):
    whole = ridge_on_rows(PHI[:, :20], Y).solve(0.1)
    monkeypatch.setattr("nnlimits.random_features.dual_ridge.BATCH_ROWS", 7)
    np.testing.assert_allclose(ridge_on_rows(PHI[:, :20], Y).solve(0.1).weights, whole.weights, rtol=1e-12)


def test_without_factor():
    solution = DualRidge(PHI, Y).solve(1e-2)
    small = solution.without_factor()
    assert not small.lower.size
    assert small.effective_dimension == solution.effective_dimension
    assert small.validation == solution.validation


def test_refusals():
    with pytest.raises(ValueError, match=r"features must have shape \(n, features\), with.*received \(40,\)"):
        DualRidge(Y[:, 0], Y)
    with pytest.raises(ValueError, match=r"targets must have shape \(40,\) or \(40, outputs\); received \(39, 2\)"):
        ridge_on_rows(PHI, Y[1:])
    with pytest.raises(ValueError, match=r"at least one row and column; received \(0, 90\)"):
        DualRidge(PHI[:0], Y[:0])
    bad = PHI.copy()
    bad[3, 2] = np.inf
    with pytest.raises(ValueError, match=r"features contains inf at index \(3, 2\)"):
        DualRidge(bad, Y)
    with pytest.raises(ValueError, match="ridge must be finite and positive"):
        DualRidge(PHI, Y).solve(0.0)
    with pytest.raises(ValueError, match="is below the rounding errors of the features' covariance; try"):
        DualRidge(np.ones((50, 200)), np.arange(50.0)).solve(1e-30)

"""Two isotropic Gaussian classes: particles in the full space against their density, and the change of phase."""

import numpy as np
import pytest

from nnlimits.mean_field import experiments


@pytest.mark.slow
def test_three_ways_agree():
    """To what independent draws of 800 radial neurons differ by: twice their largest distance, three times their spread.

    The network in the full space has a risk larger by the mean of `|sigma|^2 / (2 m)`, at most `7.5^2 / 1600`, and is measured
    on 8,192 examples, whose squared errors spread by about 2: to 0.02.
    """
    found = experiments.isotropic_gaussians(times=(0, 0.3, 1, 3, 8), draws=5)
    spread = found.radial_risks.std(0, ddof=1)
    assert (abs(found.radial_risks.mean(0) - found.density_risks) < 3 * spread / 5**0.5 + 3e-3).all()
    assert (abs(found.sgd_radial_risks - found.density_risks) < 3 * spread + 3e-3).all()
    assert (abs(found.sgd_risks - found.sgd_radial_risks) < 7.5**2 / 1600 + 0.02).all()
    assert (found.sgd_distances < 2 * found.distances.max(0)).all()
    assert found.distances[:, 0].mean() < 0.01  # 0.09 wide, m = 800
    assert found.density_risks[-1] < 0.55 * found.density_risks[0]


@pytest.mark.slow
def test_change_of_phase():
    """Below it the flow ends at the best single sphere, which is certified; above, it leaves that far behind."""
    found = experiments.separation((0.3, 0.6))
    assert 0.4 < found.threshold < 0.45
    np.testing.assert_allclose(found.flow[0, -1], found.best[0], rtol=1e-4)
    np.testing.assert_allclose(found.sphere[0], found.best[0], rtol=1e-4)
    assert found.sphere_gap[0] < 1e-5
    assert found.flow_gap[0, -1] < 1e-5
    assert found.sphere_gap[1] > 0.1
    assert found.best[1] < found.flow[1, -1] < 0.3 * found.sphere[1]
    assert (found.flow - found.best[:, None] <= found.flow_gap + 1e-6).all()  # the bound holds
    assert (np.diff(found.flow) < 1e-6).all()


@pytest.mark.slow
def test_best_measures_are_not_cut_off():
    """The best risk falls as the classes grow apart; a grid up to length 10 made it rise from delta = 0.8 on."""
    found = experiments.separation((0.6, 0.7, 0.8, 0.9), times=(1.0,))
    assert (np.diff(found.best) < 0).all()
    np.testing.assert_allclose(found.best[0], 0.007901, rtol=2e-3)  # lengths up to 80


def test_bad_input():
    with pytest.raises(ValueError, match=r"delta must be between 0 and 1.*received 1.0"):
        experiments.separation((0.5, 1.0))
    with pytest.raises(ValueError, match="deltas must be one or more numbers that ascend"):
        experiments.separation((0.5, 0.4))
    with pytest.raises(ValueError, match="draws must be at least 1"):
        experiments.isotropic_gaussians(draws=0)

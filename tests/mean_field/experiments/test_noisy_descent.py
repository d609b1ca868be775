"""Noisy neurons at rest."""

import numpy as np
import pytest

from nnlimits.mean_field import experiments


@pytest.mark.slow
def test_comes_to_rest_at_the_gibbs_measure():
    """Particles are as far as independent draws, to five standard errors of their distance (a mean of 10 or so cells' deviations)
    and the bias of steps of 0.02.
    """
    found = experiments.noisy_descent(times=(0, 1, 5, 20, 60, 100))
    assert found.density_distance < 1e-5
    assert (np.diff(found.free_energies) < 0).all()
    assert abs(found.free_energies[-1] - found.rest_free_energy) < 1e-8
    distance, expected = found.particle_distance()
    assert distance < 2 * expected + 0.005
    gaps = found.free_energies - found.rest_free_energy
    assert (gaps <= found.sure_gaps * (1 + 1e-12)).all()
    assert 0 < found.sure_gaps[-1] < found.sure_gaps[0]
    entropies = (found.particle_risks - found.particle_free_energies) / found.temperature
    of_density = (found.density_risks - found.free_energies) / found.temperature
    error = 1 / 20_000**0.5  # terms of the estimate have a spread near 1; five of them, and the bias of steps of 0.02
    assert (abs(entropies - of_density) < 5 * error + 0.01).all()
    np.testing.assert_allclose(found.particle_risks, found.density_risks, rtol=0.02)


def test_bad_input():
    with pytest.raises(ValueError, match="temperature must be finite and positive; received -1"):
        experiments.noisy_descent(-1.0)

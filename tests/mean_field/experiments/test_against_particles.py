"""The density on two axes, and 100,000 particles."""

import numpy as np
import pytest

from nnlimits.mean_field import experiments


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.02, 0.0])
def test_density_and_particles_agree(temperature):
    """Risks to four standard errors of independent draws, 0.1 to 0.4 percent of the risk; total variation over 100 coarse cells,
    no more than half as much again as that of independent draws (its spread is about a tenth).
    """
    found = experiments.against_particles(temperature)
    assert abs(found.density.sum(1) - 1).max() < 1e-12
    assert found.density.min() > -1e-15
    assert (np.diff(found.free_energies) < 0).all()
    assert (abs(found.particle_risks - found.density_risks) < 4 * found.sampling_errors).all()
    distance, expected = found.distances()
    assert (distance < 1.5 * expected).all()
    assert found.particle_risks[-1] < 0.6 * found.particle_risks[0]


def test_bad_input():
    with pytest.raises(ValueError, match="cells must be a multiple of 10; received 55"):
        experiments.against_particles(cells=55)

"""Propagation of chaos and stochastic descent, as the command shows them."""

import pytest

from nnlimits.mean_field import experiments


@pytest.mark.slow
def test_rates():
    """Slopes' bootstrap errors are 0.05 with 16 seeds on two decades (sizes) and 0.03 (steps): within three of them."""
    told = []
    found = experiments.chaos(
        (16, 128, 1024), (0.003, 0.03), seeds=16, reference=16_384, step_seeds=16, advance=told.append
    )
    assert len(told) == 1 + 3 * 16 + 2 * 16
    for name in ("risk", "outputs", "sliced distance"):
        assert found.sizes.rate(name).slope == pytest.approx(-0.5, abs=0.15), name
    assert found.steps is not None
    for name in ("outputs", "neurons"):
        assert found.steps.rate(name).slope == pytest.approx(0.5, abs=0.15), name
    assert experiments.chaos((4, 8), (), seeds=2, reference=16).steps is None


def test_bad_input():
    with pytest.raises(
        ValueError, match=r"sizes must be two or more different numbers, to fit a rate; received \(16,\)"
    ):
        experiments.chaos((16,))
    with pytest.raises(ValueError, match="step_sizes must be two or more different numbers"):
        experiments.chaos((16, 64), (0.1,))

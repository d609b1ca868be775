"""Whether descent finds a teacher, and where conic flow ends."""

import numpy as np
import pytest

from nnlimits.mean_field import experiments


@pytest.mark.slow
def test_more_neurons_than_the_teacher_succeed():
    """A teacher of 3: fewer neurons cannot, four times as many do, in all of 10 runs; certificates tell them apart."""
    found = experiments.teacher_student((2, 12), teacher=3, dimension=4, seeds=10, steps=10_000)
    np.testing.assert_array_equal(found.reached, [0, 10])
    stalled = [v for v in found.verdicts if not v.succeeded]
    assert len(stalled) == 2
    for verdict in stalled:
        assert verdict.lowest < 0
        assert verdict.gap > 1e-4
        assert verdict.lowered > 0.01
    closed = [v for v in found.verdicts if v.succeeded]
    assert len(closed) == 2
    assert max(v.gap for v in closed) < 1e-6


def test_bad_input():
    with pytest.raises(ValueError, match="widths must be at least 1; received 0"):
        experiments.teacher_student((0, 5))
    with pytest.raises(ValueError, match=r"end must be more than 1; received 0\.5"):
        experiments.sparse_recovery(end=0.5)

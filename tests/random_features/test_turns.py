"""The cosines and sines of the hot path, against NumPy's in double precision."""

import numpy as np
import pytest

from nnlimits.random_features.turns import cosine, full_turn, sine


@pytest.mark.parametrize("wave", [cosine, sine])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_to_rounding(wave, dtype):
    turns = np.concatenate([np.linspace(-3, 3, 4801), np.random.default_rng(0).uniform(-50, 50, 2000)])
    angle = (turns * full_turn(dtype)).astype(dtype)
    # of the angle as it was rounded: two units of one, and the product with 2 pi below
    exact_angle = angle.astype(np.float64) * (2 * np.pi / full_turn(dtype))
    expected = {cosine: np.cos, sine: np.sin}[wave](exact_angle)
    found = wave(angle)
    assert found.dtype == dtype
    eps = np.finfo(dtype).eps
    allowed = 2 * eps + 2 * abs(exact_angle) * np.finfo(np.float64).eps
    assert (abs(found - expected) <= allowed).all()

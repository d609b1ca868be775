"""Second moments of outputs."""

import numpy as np
import pytest
from functions import convolutional, draw

import nnlimits as nl


def test_is_the_mean_product_of_outputs():
    f, params, shape = convolutional()
    x1, x2 = draw(0, 4, *shape), draw(1, 3, *shape)
    for other in (x2, None):
        found = nl.empirical.nngp(f, params, x1, other)
        assert found.dtype == np.float64
        outputs = [
            np.concatenate([np.asarray(f(params, one[None])) for one in x]) for x in (x1, x1 if other is None else x2)
        ]
        expected = np.mean(outputs[0][:, None] * outputs[1][None], axis=2)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * abs(expected).max())


def test_bad_arguments():
    f, params, _ = convolutional()
    with pytest.raises(ValueError, match="x contains inf"):
        nl.empirical.nngp(f, params, np.full((1, 6, 5, 2), np.inf))

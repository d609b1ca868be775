"""Sums and averages over all positions."""

import numpy as np
import pytest

from nnlimits import nn


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2), (2, 3, 4, 1)], ids=str)
def test_formula(shape, x64):
    x = np.random.default_rng(0).normal(size=(2, *shape))
    axes = tuple(range(1, x.ndim - 1))
    for layer, expected in [(nn.GlobalAvgPool(), x.mean(axes)), (nn.GlobalSumPool(), x.sum(axes))]:
        np.testing.assert_allclose(layer.apply((), x), expected, rtol=1e-12, atol=1e-13)
        assert layer.output_shape(shape) == (shape[-1],)


@pytest.mark.parametrize("layer", [nn.GlobalAvgPool(), nn.GlobalSumPool()], ids=repr)
def test_refuses_inputs_without_positions(layer):
    with pytest.raises(nn.ShapeError, match=r"expects positions and channels, such as .* received \(5,\)"):
        layer.output_shape((5,))

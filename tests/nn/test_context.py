"""What surrounds a layer: set inside a block, and gone after it."""

import threading

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.nn.context import Context, keeps_mask, mask_of, surrounded, surroundings, without_masked

MASK = jnp.array([[True, False], [False, False]])


def test_blocks_nest_and_end_with_errors():
    with surrounded(nodes=3):
        with surrounded(positions=(2,), mask=MASK):
            assert surroundings() == Context(positions=(2,), nodes=3, mask=MASK)
        assert surroundings() == Context(nodes=3)
        with pytest.raises(nn.ShapeError):
            nn.Masked(nn.AvgPool(2)).output_shape((4, 3))
        assert surroundings() == Context(nodes=3)
    assert surroundings() == Context()


def test_other_threads_see_nothing():
    seen = []
    with surrounded(nodes=3):
        thread = threading.Thread(target=lambda: seen.append(surroundings()))
        thread.start()
        thread.join()
    assert seen == [Context()]


def test_the_mask_is_for_inputs_with_its_positions():
    x = jnp.ones((2, 2, 3))
    assert mask_of((2,)) is None
    assert without_masked(x) is x
    with surrounded(positions=(2,), mask=MASK):
        np.testing.assert_array_equal(mask_of((2,)), MASK)
        assert mask_of(()) is None
        np.testing.assert_array_equal(without_masked(x)[:, :, 0], [[0, 1], [1, 1]])


def test_positions_stay_or_go():
    assert keeps_mask(nn.Identity(), (4, 3), (2, 3)) == (2, 3)
    with surrounded(positions=(4,)):
        assert keeps_mask(nn.Identity(), (4, 3), (4, 5)) == (4, 5)
        assert keeps_mask(nn.Identity(), (4, 3), (5,)) == (5,)
        assert keeps_mask(nn.Identity(), (3,), (5,)) == (5,)
        with pytest.raises(nn.ShapeError, match=r"Identity makes positions \(2,\) of the masked positions \(4,\)"):
            keeps_mask(nn.Identity(), (4, 3), (2, 3))

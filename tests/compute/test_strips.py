"""What belongs to single examples, for tiles: in bounded memory, whatever the number of examples."""

import jax
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn
from nnlimits.compute import compilation, strips

KERNEL = nl.kernel(nn.Sequential(nn.Dense(8, b_std=0.3), nn.Erf(), nn.Dense(8), nn.Erf(), nn.Dense(1)))
X = np.random.default_rng(0).normal(size=(50, 5))


@pytest.mark.parametrize("others", [None, X[:27] + 1], ids=["symmetric", "two batches"])
def test_stretch_after_stretch_gives_the_same_values(others, monkeypatch):
    whole = nl.gram(KERNEL, X, others, get=("nngp", "ntk"), tile=8)
    held = []
    sides = strips.Strips.sides

    def watched(self, row, column, workers):
        found = sides(self, row, column, workers)
        held.append((self.extent, len(self._known)))
        return found

    monkeypatch.setattr(strips.Strips, "sides", watched)
    monkeypatch.setattr(strips, "_BYTES", 2**14)
    parts = nl.gram(KERNEL, X, others, get=("nngp", "ntk"), tile=8)
    np.testing.assert_array_equal(parts, whole)
    assert all(8 <= extent < 27 for extent, _ in held)  # several stretches a side
    assert max(known for _, known in held) == 2  # and never more than two at once


def test_padding_is_zeros_and_only_where_needed():
    padded = strips._padded(X[:3], 5)
    np.testing.assert_array_equal(padded, np.concatenate([X[:3], np.zeros((2, 5))]))
    assert strips._padded(X[:5], 5).base is X


def test_compiles_where_xla_does_not_know_a_wish(monkeypatch):
    unknown = ("xla_has_no_such_option", 512)
    for name in ("_WIDE", "_OWN_CONVOLUTIONS"):
        monkeypatch.setattr(compilation, name, unknown)
    assert compilation._known(unknown) is None
    for compiled in (compilation.wide_jit, compilation.convolution_jit):
        assert compiled(lambda x: x + 1, ())(jax.numpy.ones(2)).tolist() == [2, 2]

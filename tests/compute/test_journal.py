"""Gram matrices that go on after an interruption."""

import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn
from nnlimits.compute import tiles

KERNEL = nl.kernel(nn.Sequential(nn.Dense(8, 1.2, 0.1), nn.Relu(), nn.Dense(1)))
X = np.random.default_rng(0).standard_normal((50, 4))


@pytest.fixture
def interrupted(monkeypatch):
    """After `f(count)`, the next matrix is interrupted when so many tiles are written."""

    def after(count):
        written, write = [], tiles._write

        def interrupt(*arguments):
            if len(written) >= count:
                raise InterruptedError
            written.append(arguments[2])
            write(*arguments)

        monkeypatch.setattr(tiles, "_write", interrupt)
        return written

    yield after
    monkeypatch.undo()


def _gram(path, **arguments):
    both = (path / "nngp.npy", path / "ntk.npy")
    return nl.gram(KERNEL, X, get=("nngp", "ntk"), out=both, tile=8, resume=True, **arguments)


def test_an_interrupted_matrix_goes_on(tmp_path, interrupted, monkeypatch):
    interrupted(5)
    with pytest.raises(InterruptedError):
        _gram(tmp_path)
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"nngp.npy.journal", "nngp.npy.partial", "ntk.npy.partial"}
    done = len((tmp_path / "nngp.npy.journal").read_text().splitlines()) - 1
    assert 0 < done <= 5

    monkeypatch.undo()
    again, write = [], tiles._write
    monkeypatch.setattr(tiles, "_write", lambda *a: (again.append(a[2]), write(*a)))
    found = _gram(tmp_path)
    assert len(again) == 7 * 8 // 2 - done
    for ours, whole in zip(found, nl.gram(KERNEL, X, get=("nngp", "ntk"), tile=8), strict=True):
        np.testing.assert_array_equal(ours, whole)
    assert {p.name for p in tmp_path.iterdir()} == {"nngp.npy", "ntk.npy"}


def test_the_files_of_another_computation_are_refused(tmp_path, interrupted, monkeypatch):
    interrupted(3)
    with pytest.raises(InterruptedError):
        _gram(tmp_path)
    monkeypatch.undo()
    other = nl.kernel(nn.Sequential(nn.Dense(8, 1.3, 0.1), nn.Relu(), nn.Dense(1)))
    both = (tmp_path / "nngp.npy", tmp_path / "ntk.npy")
    for kernel, x in ((other, X), (KERNEL, X + 1)):
        with pytest.raises(ValueError, match="was left by another computation"):
            nl.gram(kernel, x, get=("nngp", "ntk"), out=both, tile=8, resume=True)
    (tmp_path / "ntk.npy.partial").unlink()
    with pytest.raises(ValueError, match="is gone, though its journal is there"):
        _gram(tmp_path)


def test_a_line_cut_off_is_not_believed(tmp_path, interrupted, monkeypatch):
    interrupted(4)
    with pytest.raises(InterruptedError):
        _gram(tmp_path)
    monkeypatch.undo()
    journal = tmp_path / "nngp.npy.journal"
    journal.write_text(journal.read_text() + "4")
    np.testing.assert_array_equal(_gram(tmp_path)[1], nl.gram(KERNEL, X, tile=8))


def test_it_needs_paths():
    with pytest.raises(ValueError, match="resume=True needs a path"):
        nl.gram(KERNEL, X, resume=True)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        nl.gram(KERNEL, X, out="no/such/folder/k.npy", resume=True)

"""The shape error as a value."""

import pickle

import pytest

from nnlimits.nn.errors import ShapeError, located


def test_places_are_added_innermost_first():
    with (
        pytest.raises(ShapeError) as caught,
        located("at position 2", "in Sequential at position 2"),
        located("inside"),
    ):
        raise ShapeError("Dense", "complains.")
    assert str(caught.value) == "Dense inside in Sequential at position 2 complains."


def test_survives_pickling():
    error = ShapeError("Dense", "complains.", ("at position 2",))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_other_errors_pass_unchanged():
    with pytest.raises(KeyError), located("at position 2"):
        raise KeyError("other")

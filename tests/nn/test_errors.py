"""Errors of layers as values, and where they come from."""

import pickle

import equinox as eqx
import jax.numpy as jnp
import pytest

from nnlimits import nn
from nnlimits.nn.errors import ShapeError, located, solve_errors


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


def test_an_error_inside_a_compiled_function_is_told_without_its_stack():
    @eqx.filter_jit
    def refuses(x):
        return eqx.error_if(x, x > 0, "not solved: x is positive; take less")

    with pytest.raises(nn.SolveError, match=r"^not solved: x is positive; take less$"), solve_errors():
        refuses(jnp.ones(()))

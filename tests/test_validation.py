"""Bad input is refused with the argument's name, what was received, and what would work."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlimits.validation import (
    check_finite,
    check_inputs,
    check_instance,
    check_non_negative,
    check_positive,
    check_same_dtype,
    is_traced,
)

X = np.arange(12.0).reshape(4, 3)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    row=st.integers(0, 3),
    column=st.integers(0, 2),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    make=st.sampled_from([np.asarray, jnp.asarray, np.float32]),
)
def test_the_first_value_that_is_not_finite_is_named(row, column, value, make):
    x = X.copy()
    x[row, column] = value
    x[3, 2] = np.nan  # comes last, so that it is named only if it is the one
    named = value if (row, column) != (3, 2) else np.nan
    count = 1 if (row, column) == (3, 2) else 2
    with pytest.raises(ValueError, match="remove or impute") as refused:
        check_inputs("x_train", make(x))
    assert f"x_train contains {named} at index ({row}, {column}) ({count} such entries)" in str(refused.value)


def test_place_in_a_vector_and_in_a_number():
    with pytest.raises(ValueError, match=r"y contains inf at index 2 \(1 such"):
        check_finite("y", np.array([0.0, 1.0, np.inf]))
    with pytest.raises(ValueError, match="noise contains nan"):
        check_finite("noise", np.nan)
    check_finite("x", X)
    check_finite("x", np.array([1, 2]))


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (X, np.float64),
        (X.astype(np.float32), np.float32),
        (X.astype(int), np.float32),
        (X.astype(np.uint8), np.float32),
        (X > 3, np.float32),
        (X.tolist(), np.float64),
        (pd.DataFrame(X), np.float64),
        (jnp.asarray(X, jnp.float32), np.float32),
    ],
    ids=["float64", "float32", "int", "uint8", "bool", "list", "frame", "jax"],
)
def test_dtype_of_what_is_accepted(x, dtype):
    found = check_inputs("x", x)
    assert found.dtype == dtype  # float64 even though JAX's double precision is off
    np.testing.assert_array_equal(np.asarray(found, float), np.asarray(x, float))
    assert isinstance(found, jax.Array) == isinstance(x, jax.Array)


def test_accepted_arrays_are_not_copied():
    assert check_inputs("x", X) is X
    assert check_inputs("y", X[0], rank=1).base is not None


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (X.astype(object), "object"),
        (X.astype(str), "<U"),
        (X.astype("S4"), "S4"),
        (X.astype("datetime64[s]"), "datetime64"),
        (X.astype("timedelta64[s]"), "timedelta64"),
        (X + 1j, "complex128"),
        ([["a", 1.0]], "<U"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), "object"),
        (None, "object"),
    ],
    ids=["object", "str", "bytes", "time", "interval", "complex", "mixed list", "mixed frame", "None"],
)
def test_refuses_what_is_not_real_numbers(x, dtype):
    with pytest.raises(TypeError, match=f"x must be a real numeric array; received dtype .*{dtype}"):
        check_inputs("x", x)


@pytest.mark.parametrize(
    ("x", "rank", "message"),
    [
        (X[0], 2, r"x must have 2 axes .*received shape \(3,\); for one example write x\[None\]$"),
        (np.float64(3), 2, r"x must have 2 axes .*received shape \(\)$"),
        (X[None], 2, r"x must have 2 axes .*received shape \(1, 4, 3\)$"),
        (X, 4, r"x must have 4 axes .*received shape \(4, 3\)$"),
        (X[:0], 2, r"x is empty: shape \(0, 3\); at least one example"),
        (X[:, :0], 2, r"axis of length zero: shape \(4, 0\)"),
        (np.zeros((2, 0, 3)), 3, r"axis of length zero: shape \(2, 0, 3\)"),
        (jnp.zeros((0, 3)), 2, "x is empty"),
    ],
)
def test_refuses_shapes(x, rank, message):
    with pytest.raises(ValueError, match=message):
        check_inputs("x", x, rank=rank)


def test_mixed_dtypes_are_named():
    with pytest.raises(TypeError, match=r"mixed dtypes: x is float64, y is float32; .*\.astype\(float64\)"):
        check_same_dtype(x=X, y=X.astype(np.float32))
    with pytest.raises(TypeError, match="x is float64, z is float32"):
        check_same_dtype(x=X, y=None, z=jnp.zeros(2, jnp.float32))
    check_same_dtype(x=X, y=X[0], z=None)
    check_same_dtype(x=X.astype(np.float32), y=jnp.zeros(2, jnp.float32))


@pytest.mark.parametrize("value", [-1.0, -1e-300, np.nan, np.inf, -np.inf, np.float32(-2), -3])
def test_negative_and_infinite_numbers(value):
    with pytest.raises(ValueError, match="noise must be finite and non-negative; received"):
        check_non_negative("noise", value)
    with pytest.raises(ValueError, match="rate must be finite and positive; received"):
        check_positive("rate", value)


def test_zero_and_positive_numbers():
    check_non_negative("noise", 0)
    with pytest.raises(ValueError, match="rate must be finite and positive; received 0"):
        check_positive("rate", 0)
    for check in (check_non_negative, check_positive):
        for value in (1e-300, 3, np.float32(2), np.array(1.0), jnp.float32(4)):
            check("noise", value)


@pytest.mark.parametrize("value", ["a", "", None, 1j, [], [1.0, 2.0], np.array(["a"]), {}])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="noise must be a non-negative number; received"):
        check_non_negative("noise", value)
    with pytest.raises(TypeError, match="rate must be a positive number; received"):
        check_positive("rate", value)


def test_objects_of_other_classes():
    check_instance("x", 3, int)
    with pytest.raises(TypeError, match="x must be an OSError; received str"):
        check_instance("x", "a", OSError)


def test_traced_values_are_seen_in_any_tree_and_not_looked_at():
    seen = []

    def function(x):
        seen.append([is_traced(x), is_traced({"a": [1, x]}), is_traced(3, "b", X), is_traced(jnp.ones(2))])
        check_finite("x", x)
        check_non_negative("x", x[0, 0])
        check_positive("x", -x[0, 0])
        return check_inputs("x", x).sum()

    x = jnp.full((2, 3), jnp.nan)
    for transformed in (jax.jit(function), jax.grad(function), jax.jit(jax.value_and_grad(function))):
        transformed(x)
    jax.vmap(function)(x[None])
    assert [row[:3] for row in seen] == [[True, True, False]] * 4
    assert not is_traced(x, X, None, [1.0])


def test_shapes_and_dtypes_are_checked_under_a_trace_too():
    with pytest.raises(ValueError, match="x must have 2 axes"):
        jax.jit(lambda x: check_inputs("x", x))(jnp.zeros(3))
    with pytest.raises(ValueError, match="x is empty"):
        jax.jit(lambda x: check_inputs("x", x))(jnp.zeros((0, 3)))
    with pytest.raises(TypeError, match="mixed dtypes"):
        jax.jit(lambda x: check_same_dtype(x=x, y=X))(jnp.zeros((2, 3), jnp.float32))

"""Functions from text."""

import numpy as np
import pytest

from nnlimits.approximation.expression import expression

X = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
A, B = X.T

WRITTEN = {
    "sin(3*x0) + abs(x1)": np.sin(3 * A) + np.abs(B),
    "exp(-r**2)": np.exp(-(A**2) - B**2),
    "x0**-2 + (-x1)**3 - x0**2.0": A**-2 - B**3 - A**2,
    "(x0 + 2) ** x1 % 1": (A + 2) ** B % 1,
    "where(x0 > 0, 1, -1) * (0 < x1 <= 0.5)": np.where(A > 0, 1, -1) * ((B > 0) & (B <= 0.5)),
    "1 if x0 > 0 and not x1 > 0 or r < 0.1 else x1": np.where((A > 0) & ~(B > 0) | (np.hypot(A, B) < 0.1), 1, B),
    "max(x0, min(x1, 0)) + clip(x0, -0.1, 0.1) + hypot(x0, x1)": np.maximum(A, np.minimum(B, 0))
    + np.clip(A, -0.1, 0.1)
    + np.hypot(A, B),
    "relu(x0) + step(x1) + pi*e": np.maximum(A, 0) + (B > 0) + np.pi * np.e,
    "+x0 - -x1": A + B,
    "sin(\n x0)": np.sin(A),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_values(text):
    found = expression(text, 2)(X)
    assert found.shape == (50,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, WRITTEN[text], rtol=2e-5, atol=2e-6)


def test_dimension_is_read_off():
    assert expression("x2 + x0").dimension == 3
    assert expression("x**2").dimension == 1
    assert expression("exp(-r**2)", 4).dimension == 4
    np.testing.assert_array_equal(expression("2")(X), 2.0)


REFUSED = {
    "sine(x0)": ("unknown function sine; there are abs, ", "\n  sine\\(x0\\)\n  \\^{4}$"),
    "1 + y": ("unknown name y; the inputs are x0 to x1, and r", "\n  1 \\+ y\n      \\^$"),
    "sin + 1": ("unknown name sin \\(a function needs its arguments in brackets\\)", "\n  sin \\+ 1\n  \\^\\^\\^$"),
    "x0 + x2": ("there is no input x2 in dimension 2", "\n       \\^\\^$"),
    "x + 1": ("unknown name x", "\n  \\^$"),
    "sin(x0, x1)": ("sin takes 1 argument; received 2", None),
    "max(x0)": ("max takes 2 arguments; received 1", None),
    "sin(x0": ("the expression is not understood", "\n  sin\\(x0\n     \\^$"),
    "x0^2": ("powers are written \\*\\*, not \\^", None),
    "x0 // 2": ("this operation cannot be used", None),
    "x0.real": ("an attribute cannot be used", "\n  x0.real\n  \\^{7}$"),
    "__import__('os').system('true')": ("only functions by their plain names", None),
    "(lambda: 1)()": ("only functions by their plain names", None),
    "[x0]": ("a list cannot be used", None),
    "'a'": ("only real numbers", None),
    "1j": ("only real numbers", None),
    "True": ("only real numbers", None),
    "1e999": ("the number is too large", None),
    "9" * 400: ("the number is too large", None),
    "x0 is x1": ("comparisons are < <= > >= == and !=", None),
    "ä + x0": ("unknown name ä", "\n  \\^$"),
    "x0\n + ö": ("the expression is not understood|unknown name ö", None),
    "(x0\n + ö)": ("unknown name ö", "\n   \\+ ö\\)\n     \\^$"),
    "": ("the expression is empty", None),
    "x0" + "+x0" * 400: ("more than 500 parts", None),
    "(" * 900 + "x0" + ")" * 900: ("not understood", None),
    "x0+" * 1000 + "x0": ("may have 2000 characters; received 3002", None),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    message, marks = REFUSED[text]
    with pytest.raises(ValueError, match=message):
        expression(text, 2)
    if marks is not None:
        with pytest.raises(ValueError, match=marks):
            expression(text, 2)


def test_only_text():
    with pytest.raises(TypeError, match="text must be a string"):
        expression(3)

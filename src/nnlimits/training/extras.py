"""Libraries of the extra "empirical", imported where they are used."""

import importlib
from typing import Any


def matfree_decompositions() -> Any:
    """`matfree.decomp`, or an `ImportError` that says how to install it."""
    try:
        return importlib.import_module("matfree.decomp")
    except ImportError:
        raise ImportError(
            'curvature without matrices needs matfree; install it with: pip install "nnlimits[empirical]"',
            name="matfree",
        ) from None

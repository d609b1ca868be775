"""Libraries of the extra "empirical", imported where they are used."""

import importlib
from typing import Any


def lineax_module() -> Any:
    """`lineax`, or an `ImportError` that says how to install it."""
    return _imported("lineax")


def matfree_decompositions() -> Any:
    """`matfree.decomp`, or an `ImportError` that says how to install it."""
    return _imported("matfree.decomp")


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        library = name.split(".")[0]
        raise ImportError(
            f'curvature without matrices needs {library}; install it with: pip install "nnlimits[empirical]"',
            name=library,
        ) from None

"""Large kernel matrices: tiles, storage, solvers."""

__all__ = ["gram"]


def __getattr__(name: str):
    if name == "gram":
        from nnlimits.compute.gram_matrix import gram  # a module of the name would hide the function

        return gram
    raise AttributeError(f"module 'nnlimits.compute' has no attribute {name!r}")

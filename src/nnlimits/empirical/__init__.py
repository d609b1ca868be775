"""Finite networks seen as kernels.

Every function takes `f(params, x)` and its `params`; `as_function` makes them of a model.
"""

from nnlimits.empirical.as_function import as_function
from nnlimits.empirical.linearize import linearize, taylor
from nnlimits.empirical.nngp import nngp
from nnlimits.empirical.ntk import ntk
from nnlimits.empirical.ntk_operator import ntk_operator
from nnlimits.empirical.top_eigenpairs import Eigenpairs, top_eigenpairs

__all__ = ["Eigenpairs", "as_function", "linearize", "nngp", "ntk", "ntk_operator", "taylor", "top_eigenpairs"]

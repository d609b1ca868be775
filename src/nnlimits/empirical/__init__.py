"""Finite networks seen as kernels.

Every function takes `f(params, x)` and its `params`; `as_function` makes them of a model.
"""

from nnlimits.empirical.as_function import as_function
from nnlimits.empirical.linearize import linearize, taylor
from nnlimits.empirical.monte_carlo import MonteCarlo, MonteCarloKernel, monte_carlo
from nnlimits.empirical.nngp import nngp
from nnlimits.empirical.ntk import ntk
from nnlimits.empirical.ntk_operator import ntk_operator
from nnlimits.empirical.top_eigenpairs import Eigenpairs, top_eigenpairs
from nnlimits.empirical.track import Track, track

__all__ = [
    "Eigenpairs",
    "MonteCarlo",
    "MonteCarloKernel",
    "Track",
    "as_function",
    "linearize",
    "monte_carlo",
    "nngp",
    "ntk",
    "ntk_operator",
    "taylor",
    "top_eigenpairs",
    "track",
]

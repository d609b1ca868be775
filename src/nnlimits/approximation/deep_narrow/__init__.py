"""Networks of bounded width and any depth (Kidger & Lyons 2020): shallow ones compiled, and the theorem.

`hidden_layer.py` reads a shallow network as matrices; `passing.py` says how an activation lets a value pass through many layers;
`partial_sums.py` orders the hidden units and bounds what is accumulated; `narrow.py` compiles; `theorem.py` approximates.
"""

from nnlimits.approximation.deep_narrow.hidden_layer import HiddenLayer, hidden_layer
from nnlimits.approximation.deep_narrow.narrow import Narrowed, narrow, narrowed
from nnlimits.approximation.deep_narrow.passing import Passing, passing
from nnlimits.approximation.deep_narrow.theorem import deep_narrow

__all__ = ["HiddenLayer", "Narrowed", "Passing", "deep_narrow", "hidden_layer", "narrow", "narrowed", "passing"]

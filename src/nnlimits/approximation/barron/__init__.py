"""Functions of finite Barron constant: greedy algorithms whose rate does not depend on the dimension."""

from nnlimits.approximation.barron.barron import barron
from nnlimits.approximation.barron.constant import BarronConstant, barron_constant

__all__ = ["BarronConstant", "barron", "barron_constant"]

"""Networks of one hidden layer, of any activation that is no polynomial (Cybenko 1989; Leshno et al. 1993; Pinkus 1999)."""

from nnlimits.approximation.shallow.obstruction import Obstruction, PolynomialActivationError, distance_from_polynomials
from nnlimits.approximation.shallow.shallow import shallow

__all__ = ["Obstruction", "PolynomialActivationError", "distance_from_polynomials", "shallow"]

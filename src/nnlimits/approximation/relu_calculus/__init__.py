"""A calculus of rectifier networks, with exact counts of depth, width and weights."""

from nnlimits.approximation.relu_calculus.affine import affine, selection
from nnlimits.approximation.relu_calculus.affine_map import AffineMap
from nnlimits.approximation.relu_calculus.combination import add, linear_combination, scale
from nnlimits.approximation.relu_calculus.compose import compose, compose_sparsely
from nnlimits.approximation.relu_calculus.extrema import absolute, clip, maximum, minimum
from nnlimits.approximation.relu_calculus.identity import bounded_identity, identity
from nnlimits.approximation.relu_calculus.monomial import monomial, monomial_error, monomials
from nnlimits.approximation.relu_calculus.pad_to_depth import pad_to_depth
from nnlimits.approximation.relu_calculus.parallel import copies, parallel, stack
from nnlimits.approximation.relu_calculus.piecewise_linear import piecewise_linear
from nnlimits.approximation.relu_calculus.polynomial import polynomial, polynomial_error
from nnlimits.approximation.relu_calculus.product import product, product_error
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.approximation.relu_calculus.square import square, square_error

__all__ = [
    "AffineMap",
    "ReluNetwork",
    "absolute",
    "add",
    "affine",
    "bounded_identity",
    "clip",
    "compose",
    "compose_sparsely",
    "copies",
    "identity",
    "linear_combination",
    "maximum",
    "minimum",
    "monomial",
    "monomial_error",
    "monomials",
    "pad_to_depth",
    "parallel",
    "piecewise_linear",
    "polynomial",
    "polynomial_error",
    "product",
    "product_error",
    "scale",
    "selection",
    "square",
    "square_error",
    "stack",
]

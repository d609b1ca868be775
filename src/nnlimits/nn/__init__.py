"""The language: layers, activations and combinators, and the finite networks they are.

A network is an immutable value that holds hyper-parameters only. Its real hyper-parameters are leaves of a PyTree, so
it can be traced and differentiated; `init` and `apply` are pure functions of it.
"""

from nnlimits.nn.abc_parameterization import ABC, Exponents
from nnlimits.nn.activation import Activation
from nnlimits.nn.aggregate import Aggregate
from nnlimits.nn.augment import Augment
from nnlimits.nn.cell import Cell
from nnlimits.nn.channel_affine import ChannelAffine
from nnlimits.nn.constraints import Monotone, NormBound
from nnlimits.nn.conv import Conv
from nnlimits.nn.conv_transpose import ConvTranspose
from nnlimits.nn.count_parameters import count_parameters
from nnlimits.nn.dense import Dense
from nnlimits.nn.depth_scale import DepthScale
from nnlimits.nn.dropout import Dropout
from nnlimits.nn.elementwise import Elementwise
from nnlimits.nn.elu import Elu, Selu
from nnlimits.nn.embedding import Embedding
from nnlimits.nn.equilibrium import Equilibrium
from nnlimits.nn.erf import Erf
from nnlimits.nn.errors import ShapeError, SolveError
from nnlimits.nn.exp import Exp, ExpNormalized
from nnlimits.nn.flatten import Flatten
from nnlimits.nn.gaussian import Gabor, Gaussian
from nnlimits.nn.gelu import Gelu
from nnlimits.nn.global_pooling import GlobalAvgPool, GlobalSumPool
from nnlimits.nn.graph_network import GraphNetwork
from nnlimits.nn.identity import Identity
from nnlimits.nn.image_resize import ImageResize
from nnlimits.nn.index import Index
from nnlimits.nn.layer import Layer
from nnlimits.nn.layer_norm import LayerNorm
from nnlimits.nn.linear import Linear
from nnlimits.nn.locally_connected import LocallyConnected
from nnlimits.nn.masked import Masked
from nnlimits.nn.merge import Concatenate, Merge, Product, Sum
from nnlimits.nn.neural_ode import NeuralODE
from nnlimits.nn.parallel import Parallel
from nnlimits.nn.polynomial import Hermite, Monomial, Polynomial
from nnlimits.nn.pooling import AvgPool, SumPool
from nnlimits.nn.positional_embedding import PositionalEmbedding
from nnlimits.nn.rectified_monomial import RectifiedMonomial
from nnlimits.nn.relu import ABRelu, Abs, LeakyRelu, Relu
from nnlimits.nn.repeat import Repeat
from nnlimits.nn.reports import Report, reporting
from nnlimits.nn.residual import Residual
from nnlimits.nn.rnn import Rnn
from nnlimits.nn.scale import Scale
from nnlimits.nn.self_attention import SelfAttention
from nnlimits.nn.sequential import Sequential
from nnlimits.nn.shaped import Shaped, ShapedRelu
from nnlimits.nn.sigmoid import Mish, Sigmoid, Silu, Softplus
from nnlimits.nn.sin import Cos, Rbf, Sin
from nnlimits.nn.step import Sign, Step
from nnlimits.nn.tanh import HardTanh, Tanh
from nnlimits.nn.with_width import with_width

__all__ = [
    "ABC",
    "ABRelu",
    "Abs",
    "Activation",
    "Aggregate",
    "Augment",
    "AvgPool",
    "Cell",
    "ChannelAffine",
    "Concatenate",
    "Conv",
    "ConvTranspose",
    "Cos",
    "Dense",
    "DepthScale",
    "Dropout",
    "Elementwise",
    "Elu",
    "Embedding",
    "Equilibrium",
    "Erf",
    "Exp",
    "ExpNormalized",
    "Exponents",
    "Flatten",
    "Gabor",
    "Gaussian",
    "Gelu",
    "GlobalAvgPool",
    "GlobalSumPool",
    "GraphNetwork",
    "HardTanh",
    "Hermite",
    "Identity",
    "ImageResize",
    "Index",
    "Layer",
    "LayerNorm",
    "LeakyRelu",
    "Linear",
    "LocallyConnected",
    "Masked",
    "Merge",
    "Mish",
    "Monomial",
    "Monotone",
    "NeuralODE",
    "NormBound",
    "Parallel",
    "Polynomial",
    "PositionalEmbedding",
    "Product",
    "Rbf",
    "RectifiedMonomial",
    "Relu",
    "Repeat",
    "Report",
    "Residual",
    "Rnn",
    "Scale",
    "SelfAttention",
    "Selu",
    "Sequential",
    "ShapeError",
    "Shaped",
    "ShapedRelu",
    "Sigmoid",
    "Sign",
    "Silu",
    "Sin",
    "Softplus",
    "SolveError",
    "Step",
    "Sum",
    "SumPool",
    "Tanh",
    "count_parameters",
    "reporting",
    "with_width",
]

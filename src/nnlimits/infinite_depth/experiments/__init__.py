"""Experiments on networks of infinite depth, one file each: they return what `plots` draws."""

from nnlimits.infinite_depth.experiments.adjoints import Adjoints, adjoints
from nnlimits.infinite_depth.experiments.depth_kernels import DepthKernels, depth_kernels
from nnlimits.infinite_depth.experiments.euler import Euler, euler
from nnlimits.infinite_depth.experiments.fixed_point_solvers import FixedPointSolvers, SolverCurve, fixed_point_solvers
from nnlimits.infinite_depth.experiments.flow import Flow, flow, two_moons
from nnlimits.infinite_depth.experiments.images import Images, Trained, compare_on_images
from nnlimits.infinite_depth.experiments.residual_rates import RatesAtTime, ResidualRates, residual_rates
from nnlimits.infinite_depth.experiments.residual_training import ResidualTraining, residual_digits, residual_spiral
from nnlimits.infinite_depth.experiments.sampled_kernels import SampledKernels, sampled_kernels
from nnlimits.infinite_depth.experiments.shaped import ShapedNetworks, shaped

__all__ = [
    "Adjoints",
    "DepthKernels",
    "Euler",
    "FixedPointSolvers",
    "Flow",
    "Images",
    "RatesAtTime",
    "ResidualRates",
    "ResidualTraining",
    "SampledKernels",
    "ShapedNetworks",
    "SolverCurve",
    "Trained",
    "adjoints",
    "compare_on_images",
    "depth_kernels",
    "euler",
    "fixed_point_solvers",
    "flow",
    "residual_digits",
    "residual_rates",
    "residual_spiral",
    "sampled_kernels",
    "shaped",
    "two_moons",
]

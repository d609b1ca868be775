"""Mean-field residual networks, `dX/ds = integral f(X, theta) rho(d theta, s)`, and the gradient flow of the law over depth."""

from nnlimits.infinite_depth.mean_field_residual.certificate import ResidualCertificate, residual_certificate
from nnlimits.infinite_depth.mean_field_residual.convergence import (
    ResidualErrors,
    Training,
    depth_errors,
    width_errors,
)
from nnlimits.infinite_depth.mean_field_residual.course import ResidualCourse
from nnlimits.infinite_depth.mean_field_residual.derivative_bounds import DerivativeBounds, derivative_bounds
from nnlimits.infinite_depth.mean_field_residual.descent import residual_descent, residual_flow
from nnlimits.infinite_depth.mean_field_residual.language import branch_factor, law_of_network, network_of_law
from nnlimits.infinite_depth.mean_field_residual.law import EndRates, ResidualLaw, last_features, padded
from nnlimits.infinite_depth.mean_field_residual.monitor import (
    Monitor,
    depth_roughness,
    law_movement,
    law_roughness,
    monitor,
    movement,
)
from nnlimits.infinite_depth.mean_field_residual.ode import ode_adjoint, ode_trajectories
from nnlimits.infinite_depth.mean_field_residual.paths import GaussianPaths, Paths, TorusPaths
from nnlimits.infinite_depth.mean_field_residual.refine import with_copies, with_layers, with_width
from nnlimits.infinite_depth.mean_field_residual.risk import Adjoint, ResidualRisk, logistic
from nnlimits.infinite_depth.mean_field_residual.stability import largest_stable_step
from nnlimits.infinite_depth.mean_field_residual.stochastic import residual_sgd
from nnlimits.infinite_depth.mean_field_residual.tangent_kernel import tangent_kernel
from nnlimits.infinite_depth.mean_field_residual.unit import ResidualUnit

__all__ = [
    "Adjoint",
    "DerivativeBounds",
    "EndRates",
    "GaussianPaths",
    "Monitor",
    "Paths",
    "ResidualCertificate",
    "ResidualCourse",
    "ResidualErrors",
    "ResidualLaw",
    "ResidualRisk",
    "ResidualUnit",
    "TorusPaths",
    "Training",
    "branch_factor",
    "depth_errors",
    "depth_roughness",
    "derivative_bounds",
    "largest_stable_step",
    "last_features",
    "law_movement",
    "law_of_network",
    "law_roughness",
    "logistic",
    "monitor",
    "movement",
    "network_of_law",
    "ode_adjoint",
    "ode_trajectories",
    "padded",
    "residual_certificate",
    "residual_descent",
    "residual_flow",
    "residual_sgd",
    "tangent_kernel",
    "width_errors",
    "with_copies",
    "with_layers",
    "with_width",
]

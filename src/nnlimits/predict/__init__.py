"""What a kernel predicts: Bayesian posteriors, and infinitely wide networks through training."""

from nnlimits.predict.ensemble import Ensemble
from nnlimits.predict.function_space_flow import FunctionSpaceFlow, function_space_flow
from nnlimits.predict.gradient_descent import GradientDescent, gradient_descent
from nnlimits.predict.gradient_flow import GradientFlow, gradient_flow
from nnlimits.predict.learning_rate import max_learning_rate
from nnlimits.predict.leave_one_out import LeaveOneOut
from nnlimits.predict.log_marginal_likelihood import log_marginal_likelihood
from nnlimits.predict.momentum import momentum
from nnlimits.predict.posterior import Posterior, posterior

__all__ = [
    "Ensemble",
    "FunctionSpaceFlow",
    "GradientDescent",
    "GradientFlow",
    "LeaveOneOut",
    "Posterior",
    "function_space_flow",
    "gradient_descent",
    "gradient_flow",
    "log_marginal_likelihood",
    "max_learning_rate",
    "momentum",
    "posterior",
]

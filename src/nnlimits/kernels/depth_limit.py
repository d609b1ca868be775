"""The kernel of an infinitely deep `Repeat`, in the limit of infinite width first and of infinite depth second."""

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.depth_exponents import residual_branches
from nnlimits.kernels.depth_residual import residual_limit


def depth_limit(block: nn.Layer, covariance: Covariance, parameterization: str) -> Covariance:
    """The covariance after infinitely many copies of `block`, each with weights of its own.

    Of residual blocks `x + depth^-exponent body(x)`: with the exponent 1/2 the differential equation of `depth_residual`; with a
    larger one nothing is added (what depth L adds is of order `L^(1 - 2 exponent)`).

    **Raises:** `ValueError` where there is no limit, for an exponent below 1/2.
    """
    branches = residual_branches(block)
    if branches is None:
        raise NotImplementedError("plain blocks")
    for branch in branches:
        if branch.exponent < 0.5:
            raise ValueError(
                f"nn.Repeat(nn.Residual(...), math.inf) has no limit where the bodies are scaled by depth^-{branch.exponent:g}: "
                "independent weights add up to a variance that grows without bound. End each body in nn.DepthScale(0.5), whose "
                "limit is a differential equation, or give a finite depth"
            )
    bodies = tuple(branch.body for branch in branches if branch.exponent == 0.5)
    return residual_limit(bodies, covariance, parameterization) if bodies else covariance

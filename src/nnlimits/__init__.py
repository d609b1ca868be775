"""Scaling limits of neural networks: one network, every limit.

A network is written once, in the language of `nnlimits.nn`; each limit is an interpreter of that expression.
Everything but the language and the kernel interpreter is imported when it is first used, so `import nnlimits` is as quick
as importing JAX and Equinox.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "kernel": "nnlimits.kernels",
    "Kernel": "nnlimits.kernels",
    "gram": "nnlimits.compute",
    "posterior": "nnlimits.predict",
    "gradient_flow": "nnlimits.predict",
    "gradient_descent": "nnlimits.predict",
    "momentum": "nnlimits.predict",
    "function_space_flow": "nnlimits.predict",
    "max_learning_rate": "nnlimits.predict",
    "InfiniteNetRegressor": "nnlimits.estimators",
    "InfiniteNetClassifier": "nnlimits.estimators",
    "MeanFieldRegressor": "nnlimits.estimators",
    "MeanFieldClassifier": "nnlimits.estimators",
    "NeuralODEClassifier": "nnlimits.estimators",
    "EquilibriumClassifier": "nnlimits.estimators",
    "NTKFeatureRegressor": "nnlimits.estimators",
    "NTKFeatureClassifier": "nnlimits.estimators",
}
_PACKAGES = (
    "approximation",
    "compute",
    "convert",
    "datasets",
    "empirical",
    "estimators",
    "fluctuations",
    "infinite_depth",
    "kernels",
    "mean_field",
    "nn",
    "plots",
    "predict",
    "presets",
    "random_features",
    "rkhs",
    "signal",
    "training",
)

__all__ = [*sorted(_PUBLIC), *_PACKAGES, "__version__"]

if TYPE_CHECKING:
    from nnlimits import (
        approximation,
        compute,
        convert,
        datasets,
        empirical,
        estimators,
        fluctuations,
        infinite_depth,
        kernels,
        mean_field,
        nn,
        plots,
        predict,
        presets,
        random_features,
        rkhs,
        signal,
        training,
    )
    from nnlimits.compute import gram
    from nnlimits.estimators import (
        EquilibriumClassifier,
        InfiniteNetClassifier,
        InfiniteNetRegressor,
        MeanFieldClassifier,
        MeanFieldRegressor,
        NeuralODEClassifier,
        NTKFeatureClassifier,
        NTKFeatureRegressor,
    )
    from nnlimits.kernels import Kernel, kernel
    from nnlimits.predict import (
        function_space_flow,
        gradient_descent,
        gradient_flow,
        max_learning_rate,
        momentum,
        posterior,
    )


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"nnlimits.{name}")
    raise AttributeError(f"module 'nnlimits' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

"""Kernel methods: what lives in the space of functions that a kernel makes, and how quickly it is learnt.

A kernel is any function `k(x1, x2)` of two batches with values (n1, n2), such as `nnlimits.kernel(network).ntk`. Everything
is computed in float64 on the host, and returned in NumPy arrays.
"""

from nnlimits.rkhs.alignment import centred_alignment, target_alignment, unbiased_centred_alignment
from nnlimits.rkhs.decay import Decay, power_coefficients, spectral_decay
from nnlimits.rkhs.effective_dimension import (
    EffectiveDimension,
    effective_dimension,
    spectral_effective_dimension,
)
from nnlimits.rkhs.empirical_curve import TargetPower, empirical_learning_curve, target_power
from nnlimits.rkhs.gegenbauer import multiplicities, orthonormal_polynomials
from nnlimits.rkhs.kernel_pca import KernelPCA, kernel_pca
from nnlimits.rkhs.kernel_ridge import KernelRidge, RidgePath, kernel_ridge, ridge_path
from nnlimits.rkhs.kernel_svm import SupportVectorClassifier, kernel_svm, kernel_svr
from nnlimits.rkhs.learning_curve import LearningCurve, learning_curve, zonal_learning_curve
from nnlimits.rkhs.measured_curve import MeasuredCurve, measured_learning_curve
from nnlimits.rkhs.mercer import MercerSpectrum, mercer, zonal_power
from nnlimits.rkhs.mmd import MMDTest, biased_squared_mmd, linear_mmd_test, mmd_test, squared_mmd
from nnlimits.rkhs.representer import Representer, minimum_norm_interpolant, representer
from nnlimits.rkhs.singularity import Singularity
from nnlimits.rkhs.source_condition import FittedExponent, SourceCondition, source_condition
from nnlimits.rkhs.spectrum import EmpiricalSpectrum, empirical_spectrum, leading_spectrum, nystrom_spectrum

__all__ = [
    "Decay",
    "EffectiveDimension",
    "EmpiricalSpectrum",
    "FittedExponent",
    "KernelPCA",
    "KernelRidge",
    "LearningCurve",
    "MMDTest",
    "MeasuredCurve",
    "MercerSpectrum",
    "Representer",
    "RidgePath",
    "Singularity",
    "SourceCondition",
    "SupportVectorClassifier",
    "TargetPower",
    "biased_squared_mmd",
    "centred_alignment",
    "effective_dimension",
    "empirical_learning_curve",
    "empirical_spectrum",
    "kernel_pca",
    "kernel_ridge",
    "kernel_svm",
    "kernel_svr",
    "leading_spectrum",
    "learning_curve",
    "linear_mmd_test",
    "measured_learning_curve",
    "mercer",
    "minimum_norm_interpolant",
    "mmd_test",
    "multiplicities",
    "nystrom_spectrum",
    "orthonormal_polynomials",
    "power_coefficients",
    "representer",
    "ridge_path",
    "source_condition",
    "spectral_decay",
    "spectral_effective_dimension",
    "squared_mmd",
    "target_alignment",
    "target_power",
    "unbiased_centred_alignment",
    "zonal_learning_curve",
    "zonal_power",
]

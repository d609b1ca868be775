"""Experiments with kernels, one file each: they return what `plots` draws."""

from nnlimits.rkhs.experiments.data_curve import DataCurve, data_learning_curve, standardised_rows
from nnlimits.rkhs.experiments.random_harmonics import RandomHarmonics, random_harmonics
from nnlimits.rkhs.experiments.spectra import SphereSpectra, sphere_spectra
from nnlimits.rkhs.experiments.sphere_curve import SphereCurve, sphere_learning_curve

__all__ = [
    "DataCurve",
    "RandomHarmonics",
    "SphereCurve",
    "SphereSpectra",
    "data_learning_curve",
    "random_harmonics",
    "sphere_learning_curve",
    "sphere_spectra",
    "standardised_rows",
]

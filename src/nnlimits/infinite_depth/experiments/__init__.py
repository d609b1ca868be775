"""Experiments on networks of infinite depth, one file each: they return what `plots` draws."""

from nnlimits.infinite_depth.experiments.images import Images, Trained, compare_on_images

__all__ = ["Images", "Trained", "compare_on_images"]

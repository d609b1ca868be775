"""Kernels as inner products of finitely many random features."""

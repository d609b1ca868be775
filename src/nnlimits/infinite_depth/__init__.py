"""Depth to infinity: networks that are differential equations, fixed points, or flows of distributions of layers."""

"""Fixed points of batches of equations, one equation an example: solvers for optimistix, and implicit derivatives.

The unknown is one array with the examples along its first axis. Each example is an equation of its own, that has its own
acceleration, is judged by itself, and stays as it is once solved, whatever the others need.
"""

"""`nnlimits rkhs`: what the kernels of networks find easy to learn."""

import typer

from nnlimits.cli.rkhs import digits, learning_curve, mercer

app = typer.Typer(
    no_args_is_help=True, help="Kernel methods: spectra of networks' kernels, and the learning curves that follow."
)
app.command("mercer")(mercer.mercer)
app.command("learning-curve")(learning_curve.learning_curve)
app.command("digits")(digits.digits)

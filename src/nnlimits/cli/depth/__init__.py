"""`nnlimits depth`: experiments with networks of infinite depth."""

import typer

from nnlimits.cli.depth import digits, images, residual_rates, solvers, spiral

app = typer.Typer(no_args_is_help=True, help="Networks of infinite depth: experiments, with their figures.")
app.command("images")(images.images)
app.command("solvers")(solvers.solvers)
app.command("residual-rates")(residual_rates.residual_rates)
app.command("spiral")(spiral.spiral)
app.command("digits")(digits.digits)

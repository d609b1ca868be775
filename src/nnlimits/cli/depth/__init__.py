"""`nnlimits depth`: experiments with networks of infinite depth."""

import typer

from nnlimits.cli.depth import adjoints, digits, euler, flow, images, kernels, residual_rates, shaped, solvers, spiral

app = typer.Typer(no_args_is_help=True, help="Networks of infinite depth: experiments, with their figures.")
app.command("images")(images.images)
app.command("solvers")(solvers.solvers)
app.command("residual-rates")(residual_rates.residual_rates)
app.command("spiral")(spiral.spiral)
app.command("digits")(digits.digits)
app.command("euler")(euler.euler)
app.command("adjoints")(adjoints.adjoints)
app.command("flow")(flow.flow)
app.command("kernels")(kernels.kernels)
app.command("shaped")(shaped.shaped)

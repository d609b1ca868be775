"""`python -m nnlimits` is the command `nnlimits`."""

from nnlimits.cli import main

main()

"""`python -m flows`, the same as the `photochrom` command."""

from flows.cli import main

main()

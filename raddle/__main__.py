"""`python -m raddle`: the same as the `raddle` command."""

from raddle.cli.main import main

main()

"""`python -m gatehouse` is `gatehouse`."""

from gatehouse.cli.main import main

main()

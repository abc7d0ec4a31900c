"""`python -m alusus_http`: the command line."""

from .cli import main

main()

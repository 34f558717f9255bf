"""``python -m fusion.cli`` is the command ``sharedsky``."""

from fusion.cli import main

main()

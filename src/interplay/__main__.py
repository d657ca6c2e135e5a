"""``python -m interplay``: the command, where it is not on the path."""

from interplay.cli import main

main()

"""The command ``interplay``: thin, it parses, calls the library and prints. Heavy imports wait until a command runs."""

from interplay.cli.app import app, main

__all__ = ["app", "main"]

"""The command line: the top floor, imported by nobody; `main`, and one module for each command."""

from edgewise.cli.main import main

__all__ = ["main"]

"""`python -m edgewise` is the command line."""

import sys
from importlib import import_module

sys.exit(import_module("edgewise.cli").main())  # the top floor, which nothing imports

"""`python -m suite_paho --host HOST --port PORT`, from the directory `interop`."""

import sys

from harness.cases import main

# Each module registers its cases.
from . import delivery, errors, properties, retained, sessions, shared, wills  # noqa: F401

sys.exit(main("paho"))

"""`python -m suite_mosquitto --host HOST --port PORT`, from the directory `interop`."""

import sys

from harness.cases import main

# Each module registers its cases.
from . import delivery, properties, retained, sessions, shared, wills  # noqa: F401

sys.exit(main("mosquitto"))

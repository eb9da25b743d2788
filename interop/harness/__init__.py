"""What the suites in Python share: their cases, how they run, and a proxy that loses bytes."""

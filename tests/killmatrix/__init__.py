"""edged killed at every point of a deployment that the code names: ``scripts/kill-matrix``."""

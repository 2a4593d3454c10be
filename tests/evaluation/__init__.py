"""How good the drift detectors are, measured on generated and on labelled series."""

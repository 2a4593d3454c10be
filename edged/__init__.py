"""edged: the watchdog for edge fleets."""

__version__ = "0.1.0"

"""The flight recorder's format, and what can be learned from a recording. Pure: files are ``adapters/flight_*``."""

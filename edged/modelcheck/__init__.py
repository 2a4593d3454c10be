"""Checks a new model or app configuration in a short-lived child process. The daemon imports ``types`` alone."""

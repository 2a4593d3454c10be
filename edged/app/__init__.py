"""The composition: the only room that sees the adapters."""

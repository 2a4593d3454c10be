"""An app's inputs, from lines to counts: rows, their columns, what is kept of them. Pure.

``counting`` and ``learning`` use numpy and are imported by whoever has something to count; the rest does without.
"""

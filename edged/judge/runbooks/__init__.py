"""Runbooks: what is done about an alert, step by step. ``course`` leads through them; others ask ``permission``.

Nothing is imported here: those who ask for permission are themselves what the steps are carried out with.
"""

"""Nouns only: facts, actions, events and state. Frozen, serialisable, importing nothing of ours."""

"""Has the world moved away from a model's training data? Pure, on counts; ``docs/decisions/0020-drift.md``."""

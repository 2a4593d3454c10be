"""Parts of ``adapters.store``."""

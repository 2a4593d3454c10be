"""Bundles: what gets deployed. Reading, judging and staging them; nothing here is ever executed or loaded."""

from .dsse import EnvelopeRefused, Verified
from .manifest import Manifest, digest, parse
from .refusal import CODES, BundleRefused, Refusal
from .source import Source, open_source
from .stage import Held, Staged, needed, stage
from .trust import Key, Trust
from .verify import Checked, Limits, Rules, inspect, verify

__all__ = [
    "CODES",
    "BundleRefused",
    "Checked",
    "EnvelopeRefused",
    "Held",
    "Key",
    "Limits",
    "Manifest",
    "Refusal",
    "Rules",
    "Source",
    "Staged",
    "Trust",
    "Verified",
    "digest",
    "inspect",
    "needed",
    "open_source",
    "parse",
    "stage",
    "verify",
]

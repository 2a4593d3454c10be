"""Why something that came from elsewhere was not taken."""

from __future__ import annotations

CODES: dict[str, str] = {
    "unsigned": "there is no signature, and the trust file asks for one",
    "signature_format": "the signature is no DSSE envelope",
    "payload_type": "the envelope was made for something else",
    "unknown_key": "no signature is by a key of the trust file",
    "bad_signature": "the signature does not fit",
    "expired_key": "the key was good once",
    "wrong_device": "the key is not meant for this device",
    "role": "the key's role may not sign this",
    "manifest": "manifest.json is malformed or contradicts itself",
    "format": "the bundle's format is newer than this edged",
    "wrong_kind": "a model where a configuration belongs, or the other way round",
    "quarantined": "this very bundle failed on this device before",
    "sequence": "older than what was committed already",
    "opset": "the model needs operators that the runtime does not know, or is not what the manifest says",
    "runtime": "the model file's version is newer than the runtime",
    "malformed_model": "the model is no ONNX file that could be read within bounds",
    "smoke": "the file with the requests for the app is malformed, or asks for something else than the app",
    "external_data": "the model reads files outside the bundle",
    "path": "a file name that is absolute, climbs, collides, or cannot be written everywhere",
    "link": "a symbolic or hard link",
    "special_file": "a device, pipe, socket or sparse file",
    "missing_file": "listed, but not there",
    "unlisted_file": "there, but not listed",
    "size_mismatch": "a file is longer or shorter than listed",
    "digest_mismatch": "a file's content is not what is listed",
    "too_many_files": "more files than a bundle may have",
    "too_large": "larger than a bundle may be",
    "no_room": "the disk would run full",
    "malformed_archive": "no tar file that could be read",
}
"""Every reason code, and what it stands for."""


class Refusal(Exception):
    """``code`` is for programs and never changes; the message is for the operator."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BundleRefused(Refusal):
    """The bundle was not taken, and nothing of it is in use."""

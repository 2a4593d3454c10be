"""How the connection to the broker is encrypted and who is trusted."""

from __future__ import annotations

import ssl

from ..config.model import Mqtt
from .tls import client_context


class _TlsSocket(ssl.SSLSocket):
    """paho forgets to close the socket of a handshake that fails."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(config: Mqtt) -> ssl.SSLContext:
    """Reads the files each time: a renewed certificate needs no restart."""
    context = client_context(config.ca_file)
    context.sslsocket_class = _TlsSocket
    if config.cert_file:
        # An encrypted key would be asked for on the terminal, and the thread would wait for ever.
        context.load_cert_chain(config.cert_file, config.key_file or None, password=lambda: "")
    return context

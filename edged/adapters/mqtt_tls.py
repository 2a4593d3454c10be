"""How the connection to the broker is encrypted and who is trusted."""

from __future__ import annotations

import ssl

from ..config.model import Mqtt


class _TlsSocket(ssl.SSLSocket):
    """paho forgets to close the socket of a handshake that fails."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(config: Mqtt) -> ssl.SSLContext:
    """TLS 1.2 or later, names checked. Reads the files each time: a renewed certificate needs no restart."""
    context = ssl.create_default_context(cafile=config.ca_file or None)
    context.sslsocket_class = _TlsSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.cert_file:
        # An encrypted key would be asked for on the terminal, and the thread would wait for ever.
        context.load_cert_chain(config.cert_file, config.key_file or None, password=lambda: "")
    return context

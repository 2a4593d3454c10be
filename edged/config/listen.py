"""Whether an address is of this machine alone."""

from __future__ import annotations


def host_of(address: str) -> str:
    """The host of ``host:port`` or ``[v6]:port``; the port may be left out."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.rpartition(":")[0] if address.count(":") == 1 else address


def loopback(address: str) -> bool:
    """Nobody else reaches it. An empty host stands for 127.0.0.1; other names may mean anything."""
    host = host_of(address).lower().rstrip(".")
    if host in ("", "localhost"):
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

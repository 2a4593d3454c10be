"""The way to the broker, step by step as a connection takes it: name, port, TLS, MQTT, permissions."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from secrets import token_hex
from urllib.parse import urlsplit

from ..adapters.mqtt_tls import tls_context
from ..adapters.mqtt_trial import try_broker
from ..adapters.resolver import Address, ResolveError, Resolver, literal
from ..config.model import Mqtt
from ..ports import PortError
from . import certificates, permissions
from .certificate import validity
from .finding import Finding, fail, ok, skip
from .patient import Patient

_LONGEST = 7.0
"""Seconds for all steps together, a little less than the examination has."""
_STEP = 3.0
_SAYING = 4.0
"""Seconds for connecting, publishing and the answers to it."""
_ANSWERING = "on the broker: sudo systemctl status mosquitto; sudo ss -tlnp   or correct mqtt.url in edged.yaml"


class Ended(Exception):
    """What follows makes no sense any more."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


def look(patient: Patient) -> Iterator[Finding]:
    mqtt = patient.config.mqtt
    if patient.errors:
        yield skip("broker", "the configuration has errors, so the broker is not known", "edged doctor --only config")
        return
    if mqtt is None:
        yield ok("broker", "none is configured: reports are only kept here")
        return
    until = time.monotonic() + _LONGEST
    url = urlsplit(mqtt.url)
    tls = url.scheme == "mqtts"
    host, port = url.hostname or "", url.port or (8883 if tls else 1883)
    if tls:
        yield from certificates.files(mqtt, patient.wall())
    try:
        addresses = resolve(host, _left(until))
        if not literal(host):
            yield ok("broker dns", f"{host} is {', '.join(address for _, address, _ in addresses)}")
        reached = reach(addresses, host, port, until)
        yield ok("broker tcp", f"{reached[1]} port {port} accepts connections")
        if tls:
            yield from _tls(mqtt, reached, host, port, patient.wall(), until)
    except Ended as ended:
        yield ended.finding
        return
    yield from _mqtt(mqtt, patient.config.device.id, reached, port, until)


def _left(until: float) -> float:
    return max(0.1, min(_STEP, until - time.monotonic()))


def resolve(host: str, timeout: float) -> list[Address]:
    resolver = Resolver()
    try:
        return resolver.resolve(host, timeout)
    except TimeoutError:
        raise Ended(unresolved(host, f"no answer within {timeout:g} s")) from None
    except (ResolveError, PortError) as error:
        raise Ended(unresolved(host, str(error))) from None
    finally:
        resolver.close()


def unresolved(host: str, why: str) -> Finding:
    fix = f"getent ahosts {host}; cat /etc/resolv.conf   or correct mqtt.url in edged.yaml"
    return fail("broker dns", f"{host!r} is not found: {why}", fix)


def reach(addresses: Sequence[Address], host: str, port: int, until: float) -> Address:
    """The first address that accepts a connection."""
    errors: list[OSError] = []
    for address in addresses:
        try:
            connect(address, port, min(_STEP / len(addresses), _left(until))).close()
        except OSError as error:
            errors.append(error)
        else:
            return address
    raise Ended(unreached(host, port, errors[0]))


def connect(address: Address, port: int, timeout: float) -> socket.socket:
    family, host, scope = address
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect((host, port, 0, scope) if family == socket.AF_INET6 else (host, port))
    except BaseException:
        connection.close()
        raise
    return connection


def unreached(host: str, port: int, error: OSError) -> Finding:
    where = f"{host}:{port}"
    match error:
        case ConnectionRefusedError():
            return fail("broker tcp", f"nobody listens on {where}", _ANSWERING)
        case TimeoutError():
            fix = f"ping -c 3 {host}; sudo iptables -L -n | grep {port}   (a firewall on the way, or the broker is off)"
            return fail("broker tcp", f"no answer from {where}: a firewall, or the broker's host is off", fix)
    return fail("broker tcp", f"no connection to {where}: {error.strerror or error}", "ip route; ip -br addr")


def _tls(mqtt: Mqtt, address: Address, host: str, port: int, now: float, until: float) -> Iterator[Finding]:
    try:
        context = tls_context(mqtt)
    except (OSError, ValueError):
        # What is wrong with the files was told above.
        raise Ended(skip("broker tls", "not tried: the files named in mqtt cannot be used", "see above")) from None
    try:
        server = _handshake(context, address, host, port, _left(until))
    except OSError as error:
        yield from _server_dates(address, host, port, now, until)
        raise Ended(untrusted(host, port, error, mqtt.ca_file)) from None
    yield ok("broker tls", f"{server[1]}, the certificate is for {host} and its chain is trusted")
    yield _judge_server(server[0], host, now)


def _handshake(context: ssl.SSLContext, address: Address, host: str, port: int, timeout: float) -> tuple[bytes, str]:
    """The server's certificate (DER) and the protocol."""
    plain = connect(address, port, timeout)
    with closing(plain), context.wrap_socket(plain, server_hostname=host) as secured:
        return secured.getpeercert(binary_form=True) or b"", secured.version() or "TLS"


def _server_dates(address: Address, host: str, port: int, now: float, until: float) -> Iterator[Finding]:
    """Of a certificate that is not accepted: nothing is sent, so nobody need be trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        certificate, _ = _handshake(context, address, host, port, _left(until))
    except OSError:
        return  # the reason is told anyway
    yield _judge_server(certificate, host, now)


def _judge_server(certificate: bytes, host: str, now: float) -> Finding:
    name = "broker server certificate"
    renew = "on the broker: renew the file named by certfile in mosquitto.conf, then: sudo systemctl reload mosquitto"
    try:
        return certificates.judge(name, f"the certificate of {host}", validity(certificate), now, renew)
    except ValueError as error:
        return skip(
            name,
            f"its dates cannot be read: {error}",
            f"openssl s_client -connect {host}:PORT | openssl x509 -noout -dates",
        )


def untrusted(host: str, port: int, error: OSError, ca_file: str) -> Finding:
    name, where = "broker tls", f"{host}:{port}"
    show = f"openssl s_client -connect {where} -servername {host} </dev/null"
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message
        found = f"the certificate of {where} is not accepted: {why}"
        if "ostname mismatch" in why or "IP address mismatch" in why:
            return fail(name, found, "write a name of the certificate into mqtt.url; it has: "
                        f"{show} | openssl x509 -noout -ext subjectAltName")  # fmt: skip
        if "expired" in why or "not yet" in why:
            return fail(
                name, found, "edged doctor --only clock   and if the clock is right, renew the broker's certificate"
            )
        trust = (
            f"put the broker's authority into {ca_file}" if ca_file else "set mqtt.ca_file to the broker's authority"
        )
        return fail(name, found, f"{trust} (PEM); who signed it: {show}")
    if isinstance(error, TimeoutError):
        return fail(
            name, f"{where} does not answer to TLS: a plain MQTT port?", "try mqtt:// in mqtt.url, or its TLS port"
        )
    reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else error.strerror or str(error)
    fix = f"{show}   (a plain MQTT port does not speak TLS; edged needs TLS 1.2 or later)"
    return fail(name, f"TLS with {where} failed: {reason.lower().replace('_', ' ')}", fix)


def _mqtt(mqtt: Mqtt, device: str, address: Address, port: int, until: float) -> Iterator[Finding]:
    timeout = max(1.0, min(_SAYING, until - time.monotonic()))
    try:
        connection = connect(address, port, timeout)
    except OSError as error:
        yield unreached(address[1], port, error)
        return
    # An id of its own: with edged's the broker would throw edged out. A new one, so that no session can be there.
    trial = try_broker(
        mqtt, connection, f"edged-{device}-doctor-{token_hex(4)}",
        permissions.topics(device, mqtt.home_assistant), permissions.filters(device), timeout,
    )  # fmt: skip
    if not trial.connected:
        yield not_let_in(mqtt, trial.reason)
        return
    yield ok("broker mqtt", f"MQTT 5 connection accepted{f' for user {mqtt.username}' if mqtt.username else ''}")
    yield from permissions.judge(device, mqtt, trial)


def not_let_in(mqtt: Mqtt, reason: str) -> Finding:
    name = "broker mqtt"
    if "Permission denied" in reason:
        return skip(name, reason)
    if reason.startswith("the broker refuses"):
        change = f"on the broker: sudo mosquitto_passwd /etc/mosquitto/passwd {mqtt.username or 'NAME'}"
        here = mqtt.password_file or "mqtt.username and mqtt.password_file of edged.yaml"
        return fail(name, reason, f"{change}   and the same in {here}")
    if "client id" in reason:
        fix = "on the broker: allow client ids that begin with edged-   (this visit's had -doctor- in it)"
        return fail(name, reason, fix)
    if "certificate" in reason.lower() and ("alert" in reason.lower() or "hung up" in reason):
        return fail(name, f"the broker does not accept our certificate: {reason}",
                    "set mqtt.cert_file and mqtt.key_file to what the broker's cafile has signed")  # fmt: skip
    if "cannot read" in reason:
        return fail(name, reason, "put the file there, or correct mqtt in edged.yaml")
    hint = "" if mqtt.url.startswith("mqtts:") else "   (or is it a TLS port? then mqtts:// in mqtt.url)"
    return fail(name, reason, f"on the broker: sudo tail -n 30 /var/log/mosquitto/mosquitto.log{hint}")

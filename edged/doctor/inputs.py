"""Where the inputs of apps are read for drift: whether edged gets at them, and whether what is there are rows."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

from ..adapters.inputs.row_http import MOST_ANSWER, parse
from ..adapters.inputs.row_mqtt import broker_of
from ..adapters.mounts import mount_of
from ..adapters.mqtt_trial import try_broker
from ..adapters.probes import SocketProber
from ..config import Columns
from ..inputs.rows import table
from ..observe.input_rows import is_csv
from ..ports import PortError
from . import broker
from .finding import Finding, fail, ok, skip, warn
from .identity import Identity, may
from .patient import Patient

_LONGEST = 7.0
"""Seconds for all sources together, a little less than the examination has."""
_STEP = 2.0
_LOOKED_AT = 64 * 1024
"""Bytes at the end of a file."""
_DENIED = 128
_HIDDEN = ("/tmp/", "/var/tmp/")
"""The service has its own."""


def look(patient: Patient) -> Iterator[Finding]:
    if patient.errors:
        yield skip("inputs", "the configuration has errors, so they are not known", "edged doctor --only config")
        return
    watched = {name: app.drift for name, app in patient.config.apps.items() if app.drift is not None}
    if not watched:
        yield ok("inputs", "none are watched for drift")
    until = time.monotonic() + _LONGEST
    for name, rules in watched.items():
        subject, source = f"inputs {name}", rules.source
        if time.monotonic() > until:
            yield skip(subject, "not looked at: the sources before took too long", "edged doctor --only inputs")
        elif source.file:
            yield _file(patient, subject, source.file, is_csv(rules))
        elif source.http:
            yield _http(subject, source.http)
        else:
            yield _topic(patient, subject, source.mqtt)


def _file(patient: Patient, subject: str, path: str, csv: bool) -> Finding:
    if patient.unit.get("LoadState") == "loaded" and path.startswith(_HIDDEN):
        return fail(subject, f"the service never sees {path}: it has a /tmp of its own (PrivateTmp)",
                    "let the app write elsewhere, as /var/lib/APP, and set drift.source.file to that")  # fmt: skip
    mount = mount_of(path, str(patient.proc))
    if mount is not None and mount.remote:
        # Touching it here could hang as it would there.
        return skip(subject, f"{path} is on {mount.kind}, which may hang; edged then tells it and does without",
                    f"sudo -u {patient.daemon.name} timeout 5 head -c 300 {path}")  # fmt: skip
    return judge_file(subject, Path(path), patient.daemon, csv)


def judge_file(subject: str, path: Path, who: Identity, csv: bool) -> Finding:
    """Whether the daemon, as ``who``, can read rows from this file."""
    fix = f"sudo setfacl -m u:{who.name}:rX {path.parent} {path}   (and so the folders above: namei -l {path})"
    try:
        status = path.stat()
    except FileNotFoundError:
        return warn(subject, f"{path} is not there yet, so nothing is read", "start the app and see that it writes it; "
                    f"or correct drift.source.file in edged.yaml: ls -l {path.parent}")  # fmt: skip
    except PermissionError:
        return fail(subject, f"user {who.name} may not look into {path.parent}", fix) if who.mine else skip(subject,
                    f"you may not look into {path.parent}")  # fmt: skip
    except OSError as error:
        return fail(subject, f"{path}: {error.strerror or error}", f"ls -l {path}; dmesg --level=err | tail -n 20")
    if not stat.S_ISREG(status.st_mode):
        return fail(subject, f"{path} is no plain file, and only such are read",
                    "set drift.source.file in edged.yaml to a file that the app appends to")  # fmt: skip
    allowed = may(who, "r", path)
    if allowed is None:
        return skip(subject, f"whether user {who.name} may read {path} is not known to you")
    if not allowed:
        return fail(subject, f"user {who.name} may not read {path}", fix)
    return judge_rows(subject, str(path), *_last(path), csv)


def _last(path: Path) -> tuple[bytes, bytes]:
    """Its first line and its last full ones, as far as this user may see them."""
    try:
        with path.open("rb") as file:
            header = file.readline(_LOOKED_AT)
            size = file.seek(0, 2)
            file.seek(max(len(header), size - _LOOKED_AT))
            data = file.read(_LOOKED_AT)
    except OSError:
        return b"", b""
    whole = data[: data.rfind(b"\n") + 1]
    return header, whole if size <= _LOOKED_AT else whole.partition(b"\n")[2]


def judge_rows(subject: str, where: str, header: bytes, rows: bytes, csv: bool) -> Finding:
    """``rows``: the newest, after the first."""
    lines = [line for line in (rows if csv or rows else header).split(b"\n") if line]
    if not lines:
        return ok(subject, f"{where} can be read; there are no rows in it yet")
    seen = table(lines, header.rstrip(b"\r\n"), Columns()) if csv else table(lines, b"", Columns())
    if not seen.rows:
        why = ", ".join(seen.refused)
        kind = "CSV with a first line of names" if csv else "a JSON object a line"
        return fail(subject, f"{where} can be read, but its last {len(lines)} lines are no rows: {why}",
                    f"edged takes {kind}: tail -n 3 {where}; or set drift.format in edged.yaml")  # fmt: skip
    named = ", ".join(list(seen.columns)[:5])
    more = f" and {len(seen.columns) - 5} more" if len(seen.columns) > 5 else ""
    return ok(subject, f"{where} can be read; its last rows have {named}{more}")


def _http(subject: str, url: str) -> Finding:
    show = f"curl -si {url} | head -c 600"
    try:
        status, body = SocketProber().call("GET", url, _STEP, most=MOST_ANSWER)
    except PortError as error:
        return fail(subject, str(error), f"start the app, or correct drift.source.http in edged.yaml: {show}")
    return judge_answer(subject, url, status, body, show)


def judge_answer(subject: str, url: str, status: int, body: bytes, show: str) -> Finding:
    """``status``: of HTTP. ``show``: a command that asks for the same."""
    if status == 204:
        return ok(subject, f"{url} answers; there are no rows yet")
    if status != 200:
        return fail(subject, f"{url} answers with HTTP {status}, not with rows",
                    f"{show}; correct drift.source.http in edged.yaml")  # fmt: skip
    rows, cursor = parse(body)
    if rows and not cursor:
        return fail(subject, f"{url} answers with rows and without a cursor, so they would be counted twice",
                    'let the app answer {"rows": […], "cursor": "…"}, and the rows after it to ?cursor=…')  # fmt: skip
    return judge_rows(subject, url, b"", b"\n".join(rows), csv=False)


def _topic(patient: Patient, subject: str, named: str) -> Finding:
    try:
        mqtt, topic = broker_of(named, patient.config.mqtt)
    except PortError as error:
        return fail(subject, str(error), "add the section mqtt to edged.yaml, or name a broker: mqtt://127.0.0.1/TOPIC")
    url, until = urlsplit(mqtt.url), time.monotonic() + _STEP
    host, port = url.hostname or "", url.port or (8883 if url.scheme == "mqtts" else 1883)
    try:
        address = broker.reach(broker.resolve(host, _STEP), host, port, until)
        connection = broker.connect(address, port, _STEP)
    except broker.Ended as ended:
        return fail(subject, f"the broker of {topic} is not reached: {ended.finding.text}", ended.finding.fix)
    except OSError as error:
        return fail(subject, f"the broker of {topic} is not reached: {error.strerror or error}",
                    "edged doctor --only broker")  # fmt: skip
    client = f"edged-{patient.config.device.id}-doctor-{token_hex(4)}"
    trial = try_broker(mqtt, connection, client, (), (topic,), _STEP)
    if not trial.connected:
        return fail(subject, f"the broker of {topic} does not let edged in: {trial.reason}",
                    "edged doctor --only broker")  # fmt: skip
    code, text = trial.subscribed.get(topic, (_DENIED, trial.reason or "no answer"))
    user = mqtt.username or f"client edged-{patient.config.device.id}-APP-inputs"
    if code >= _DENIED:
        return fail(subject, f"may not subscribe to {topic}: {text.lower()}", "on the broker, in the acl_file, for "
                    f"{user}: topic read {topic}; then: sudo systemctl reload mosquitto")  # fmt: skip
    return ok(subject, f"the subscription to {topic} is accepted (mosquitto 2.0 also accepts those it will not serve)")

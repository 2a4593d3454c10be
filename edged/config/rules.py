"""Rules between keys, which no type can express. Pure: a configuration in, faults out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from msgspec import Struct

from .data import Data
from .drift import Source
from .incident_rules import incident_faults
from .inference_rules import metrics_faults, metrics_warnings
from .listen import loopback
from .log_rules import logs_faults
from .model import App, Config, Dependency, Label, Mqtt
from .runbook_rules import runbook_faults, runbook_warnings
from .units import format_duration, format_share

KeyPath = tuple[str, ...]

_MQTT_SOURCE = re.compile(r"mqtt://[^\s/?#@]+/.+")


class Fault(Struct, frozen=True):
    """A rule that is broken. Told at the first of ``keys`` that was given; void if one of them was unreadable."""

    keys: tuple[KeyPath, ...]
    reason: str
    hint: str = ""


def faults(config: Config) -> Iterator[Fault]:
    """Everything in ``config`` that contradicts itself."""
    yield from _mqtt(config.mqtt)
    after = config.docker.restart.after
    if 0 < after < 1:
        yield Fault((("docker", "restart", "after"),), "must be 0s (off) or at least 1s")
    if not (config.http.token_file or loopback(config.http.listen)):
        keys = (("http", "listen"), ("http", "token_file"))
        yield Fault(keys, "is open to other machines, and no token is asked for", "add token_file, or use 127.0.0.1")
    yield from _drills(config)
    yield from _host(config)
    yield from (Fault(*found) for found in incident_faults(config.incidents))
    yield from (Fault(*found) for found in runbook_faults(config.runbooks))
    for name, dependency in config.dependencies.items():
        yield from _dependency(("dependencies", name), dependency)
    for name, app in config.apps.items():
        yield from app_faults(("apps", name), app)
        yield from _broker(("apps", name), app, config.mqtt)
        yield from _leak(("apps", name), app, config.sampling.every)
    yield from _containers(config.apps)
    yield from _needs(config)


def _drills(config: Config) -> Iterator[Fault]:
    rules = config.drills
    if 0 < rules.every < 60:
        yield Fault((("drills", "every"),), "must be 0s (only by command) or at least 1m")
    if not rules.kinds or len(set(rules.kinds)) < len(rules.kinds):
        yield Fault((("drills", "kinds"),), "must name at least one kind, and none twice")
    if rules.window[:5] == rules.window[6:]:
        yield Fault((("drills", "window"),), "begins when it ends", "write it like 02:00-04:00")


def app_faults(path: KeyPath, app: App) -> Iterator[Fault]:
    """What can be said of one app alone; labels are held to it as well."""
    health = (*path, "health")
    if app.health.http and app.health.tcp:
        yield Fault(((*health, "tcp"), (*health, "http")), "http and tcp are both given", "keep one of them")
    if app.health.tcp.startswith(":"):
        yield _no_host((*health, "tcp"))
    if app.health.ca_file and not app.health.http.startswith("https:"):
        yield Fault(((*health, "ca_file"), (*health, "http")), "is only used with an https:// URL")
    yield from _timeout(health, app.health.timeout, app.health.every)
    yield from _shares((*path, "memory"), app.memory.warn, app.memory.critical)
    yield from (Fault(*found) for found in metrics_faults((*path, "metrics"), app.metrics))
    yield from (Fault(*found) for found in logs_faults((*path, "logs"), app.logs))
    if app.model is not None and app.model.probe is not None:
        if not app.model.smoke:
            keys = ((*path, "model", "probe"), (*path, "model", "smoke"))
            yield Fault(keys, "needs to know where the app answers", "give smoke as well")
        yield from _timeout((*path, "model", "probe"), app.model.probe.timeout, app.model.probe.every)
        stalled = app.metrics.stalled_after if app.metrics is not None else 0.0
        if stalled > 0.0:
            keys = ((*path, "metrics", "stalled_after"), (*path, "model", "probe"))
            yield Fault(keys, "never sees silence: the requests of model.probe are inferences, too", "keep one of them")
    restart = app.restart
    if restart.backoff > restart.max_backoff:
        keys = ((*path, "restart", "backoff"), (*path, "restart", "max_backoff"))
        yield Fault(keys, _against("backoff", restart.backoff, "may not exceed max_backoff", restart.max_backoff))
    seen: set[str] = set()
    for name in app.needs:
        if name in seen:
            yield Fault(((*path, "needs"),), f"names {name} twice")
        seen.add(name)
    if app.drift is not None:
        yield from _source((*path, "drift", "source"), app.drift.source)
    if app.data is not None:
        yield from _data((*path, "data"), app.data)


def _source(path: KeyPath, source: Source) -> Iterator[Fault]:
    kinds = ("file", "http", "mqtt")
    if fault := _exactly_one(path, source, kinds, "says not where the rows are"):
        yield fault
    # Wildcards would mix the rows of several writers into one.
    if "+" in source.mqtt or "#" in source.mqtt:
        yield Fault(((*path, "mqtt"),), "holds a wildcard", "name one topic")
    elif source.mqtt.startswith("mqtt") and "://" in source.mqtt and not _MQTT_SOURCE.fullmatch(source.mqtt):
        yield Fault(((*path, "mqtt"),), "is no MQTT address with a topic", "write it like mqtt://127.0.0.1:1883/topic")


def _data(path: KeyPath, data: Data) -> Iterator[Fault]:
    if fault := _exactly_one(path, data, ("path", "volume"), "says not where the data is"):
        yield fault
    if 0 < data.every < 60:
        yield Fault(((*path, "every"),), "must be 0s (only on command) or at least 1m")
    if data.verify and not data.verify[0]:
        yield Fault(((*path, "verify"),), "names no program", "write it like [sqlite3, /data/a.db, PRAGMA quick_check]")


def _exactly_one(path: KeyPath, section: Struct, kinds: tuple[str, ...], nothing: str) -> Fault | None:
    given = [key for key in kinds if getattr(section, key)]
    if len(given) == 1:
        return None
    keys = (*((*path, key) for key in reversed(given)), path, *((*path, key) for key in kinds))
    reason = f"{' and '.join(given)} are given together" if given else nothing
    return Fault(keys, reason, f"give exactly one of {', '.join(kinds[:-1])} and {kinds[-1]}")


def warnings(config: Config) -> Iterator[Fault]:
    """What works but is probably not meant."""
    if config.mqtt is not None and config.mqtt.url.startswith("mqtt://"):
        secret = config.mqtt.password or config.mqtt.password_file
        if secret and not _local(config.mqtt.url.removeprefix("mqtt://")):
            yield Fault((("mqtt", "url"),), "the password crosses the network unencrypted", "use mqtts://")
    if config.discover == "off" and not config.apps:
        yield Fault((("discover",),), "no app is configured and discovery is off: nothing is watched")
    yield from (Fault(*found) for found in runbook_warnings(config))
    for name, app in config.apps.items():
        yield from (Fault(*found) for found in metrics_warnings(("apps", name, "metrics"), app.metrics))


def _local(host_port: str) -> bool:
    return host_port.startswith(("127.", "localhost", "[::1]"))


def _mqtt(mqtt: Mqtt | None) -> Iterator[Fault]:
    if mqtt is None:
        return
    if mqtt.password and mqtt.password_file:
        keys = (("mqtt", "password"), ("mqtt", "password_file"))
        yield Fault(keys, "password and password_file are both given", "keep password_file")
    if mqtt.cert_file and not mqtt.key_file:
        yield Fault((("mqtt", "cert_file"), ("mqtt", "key_file")), "needs key_file beside it")
    if mqtt.key_file and not mqtt.cert_file:
        yield Fault((("mqtt", "key_file"), ("mqtt", "cert_file")), "needs cert_file beside it")
    if mqtt.url.startswith("mqtt://"):
        # Refused, because whoever gives a certificate believes that the connection is encrypted.
        for key in ("ca_file", "cert_file", "key_file"):
            if getattr(mqtt, key):
                yield Fault((("mqtt", key), ("mqtt", "url")), "has no effect with mqtt://", "use mqtts://")


def _broker(path: KeyPath, app: App, mqtt: Mqtt | None) -> Iterator[Fault]:
    topic = app.drift.source.mqtt if app.drift is not None else ""
    if topic and "://" not in topic and mqtt is None:
        reason = "is a topic on the broker of the section mqtt, which is not there"
        yield Fault(((*path, "drift", "source", "mqtt"),), reason, "write it like mqtt://127.0.0.1:1883/topic")


def _host(config: Config) -> Iterator[Fault]:
    host = config.host
    yield from _shares(("host", "memory"), host.memory.warn, host.memory.critical)
    yield from _shares(("host", "disk"), host.disk.warn, host.disk.critical)
    if host.temperature.warn >= host.temperature.critical:
        warn, critical = f"{host.temperature.warn:g}", f"{host.temperature.critical:g}"
        yield _order(("host", "temperature"), warn, critical)
    seen: set[str] = set()
    for path in host.disk.paths:
        if not path.startswith("/"):
            yield Fault((("host", "disk", "paths"),), "holds a path that does not begin with /")
        if path in seen:
            yield Fault((("host", "disk", "paths"),), "names a path twice")
        seen.add(path)


def _dependency(path: KeyPath, dependency: Dependency) -> Iterator[Fault]:
    if fault := _exactly_one(path, dependency, ("tcp", "http", "dns"), "says not what to check"):
        yield fault
    if dependency.tcp.startswith(":"):
        yield _no_host((*path, "tcp"))
    yield from _timeout(path, dependency.timeout, dependency.every)


def _no_host(key: KeyPath) -> Fault:
    return Fault((key,), "names no host", "write it like 127.0.0.1:1883")


def _timeout(path: KeyPath, timeout: float, every: float) -> Iterator[Fault]:
    # Checks of one thing never overlap, so a longer timeout would silently stretch `every` and the detection.
    if timeout > every:
        reason = _against("timeout", timeout, "may not be longer than every", every)
        yield Fault(((*path, "timeout"), (*path, "every")), reason)


def _shares(path: KeyPath, warn: float, critical: float) -> Iterator[Fault]:
    if warn >= critical:
        yield _order(path, format_share(warn), format_share(critical))


def _order(path: KeyPath, warn: str, critical: str) -> Fault:
    reason = f"warn ({warn}) must be less than critical ({critical})"
    return Fault(((*path, "warn"), (*path, "critical")), reason)


def _against(what: str, value: float, rule: str, bound: float) -> str:
    return f"{what} ({format_duration(value)}) {rule} ({format_duration(bound)})"


def _leak(path: KeyPath, app: App, every: float) -> Iterator[Fault]:
    window = app.memory.leak.window
    if window < 10 * every:
        # A trend through fewer points is noise.
        reason = _against("window", window, "must be at least ten times sampling.every", every)
        yield Fault(((*path, "memory", "leak", "window"), ("sampling", "every")), reason)


def _containers(apps: dict[str, App]) -> Iterator[Fault]:
    owner: dict[str | Label, str] = {}
    for name, app in apps.items():
        container = app.container if isinstance(app.container, str | Label) else name
        first = owner.setdefault(container, name)
        if first != name:
            key = ("apps", name, "container")
            yield Fault((key, ("apps", name), ("apps", first, "container")), f"is already the container of {first}")


def _needs(config: Config) -> Iterator[Fault]:
    for name in config.dependencies.keys() & config.apps.keys():
        keys = (("apps", name), ("dependencies", name))
        yield Fault(keys, "is the name of a dependency as well", "rename one: `needs` could mean either")
    known = config.dependencies.keys() | config.apps.keys()
    for name, app in config.apps.items():
        for missing in sorted(set(app.needs) - known):
            where = (("apps", name, "needs"), ("apps",), ("dependencies",))
            yield Fault(where, f"names {missing}, which is neither a dependency nor an app", "add it, or correct it")
    graph = {name: [need for need in app.needs if need in config.apps] for name, app in config.apps.items()}
    # Each round finds one circle and cuts it; the bound is for a file made to hold thousands of them.
    for _ in range(20):
        try:
            TopologicalSorter(graph).prepare()
            return
        except CycleError as error:
            # The circle comes as: each one is needed by the one after it.
            circle = error.args[1][::-1]
            graph[circle[0]].remove(circle[1])
            reason = f"apps need each other in a circle: {' → '.join(circle)}"
            yield Fault((("apps", circle[0], "needs"),), reason)

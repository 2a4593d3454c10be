"""Rules between keys: each at the right key, and silent where a key could not be read."""

from __future__ import annotations

import pytest

from .conftest import Load, Refuse

RULES = [
    ("host: {memory: {warn: 97%}}", "host.memory.warn", "warn (97%) must be less than critical (95%)"),
    ("host: {memory: {critical: 80%}}", "host.memory.critical", "warn (80%) must be less than critical (80%)"),
    ("host: {disk: {critical: 50%}}", "host.disk.critical", "warn (80%) must be less than critical (50%)"),
    ("host: {temperature: {warn: 90}}", "host.temperature.warn", "warn (90) must be less than critical (85)"),
    ("http: {listen: '0.0.0.0:9108'}", "http.listen", "is open to other machines, and no token is asked for"),
    ("http: {listen: 'press-7:9108', token_file: ''}", "http.token_file", "is empty"),
    ("host: {disk: {paths: [x]}}", "host.disk.paths", "holds a path that does not begin with /"),
    ("host: {disk: {paths: [/, /]}}", "host.disk.paths", "names a path twice"),
    ("apps: {a: {memory: {warn: 99%}}}", "apps.a.memory.warn", "warn (99%) must be less than critical (95%)"),
    ("dependencies: {d: {}}", "dependencies.d", "says not what to check"),
    ("dependencies: {d: }", "dependencies.d", "says not what to check"),
    ("dependencies: {d: {tcp: 'x:1', dns: x}}", "dependencies.d.dns", "tcp and dns are given together"),
    ("dependencies: {d: {tcp: ':1'}}", "dependencies.d.tcp", "names no host"),
    ("dependencies: {d: {dns: x, every: 1s}}", "dependencies.d.every",
     "timeout (2s) may not be longer than every (1s)"),
    ("apps: {a: {health: {http: 'http://x', tcp: 'x:1'}}}", "apps.a.health.tcp", "http and tcp are both given"),
    ("apps: {a: {health: {timeout: 6s}}}", "apps.a.health.timeout",
     "timeout (6s) may not be longer than every (5s)"),
    ("apps: {a: {health: {http: 'http://x', ca_file: x}}}", "apps.a.health.ca_file",
     "is only used with an https:// URL"),
    ("apps: {a: {health: {tcp: ':80'}}}", "apps.a.health.tcp", "names no host"),
    ("apps: {a: {drift: {source: {}}}}", "apps.a.drift.source", "says not where the rows are"),
    ("apps: {a: {drift: {source: {file: /f, http: 'http://x'}}}}", "apps.a.drift.source.http",
     "file and http are given together"),
    ("apps: {a: {drift: {source: {mqtt: 'a/+'}}}}\nmqtt: {url: mqtts://b}", "apps.a.drift.source.mqtt",
     "holds a wildcard"),
    ("apps: {a: {drift: {source: {mqtt: 'mqtt://x'}}}}", "apps.a.drift.source.mqtt",
     "is no MQTT address with a topic"),
    ("apps: {a: {drift: {source: {mqtt: 'mqtts://x/t'}}}}", "apps.a.drift.source.mqtt",
     "is no MQTT address with a topic"),
    ("apps: {a: {drift: {source: {mqtt: a/b}}}}", "apps.a.drift.source.mqtt",
     "is a topic on the broker of the section mqtt, which is not there"),
    ("apps: {a: {restart: {max_backoff: 500ms}}}", "apps.a.restart.max_backoff",
     "backoff (1s) may not exceed max_backoff (500ms)"),
    ("apps: {a: {memory: {leak: {window: 49s}}}}", "apps.a.memory.leak.window",
     "window (49s) must be at least ten times sampling.every (5s)"),
    ("apps: {a: {needs: [b]}}", "apps.a.needs", "names b, which is neither a dependency nor an app"),
    ("apps: {a: {needs: [a]}}", "apps.a.needs", "apps need each other in a circle: a → a"),
    ("apps: {a: {needs: [d, d]}}\ndependencies: {d: {dns: x}}", "apps.a.needs", "names d twice"),
    ("apps: {d: {}}\ndependencies: {d: {dns: x}}", "apps.d", "is the name of a dependency as well"),
    ("apps: {a: {container: b}, b: {}}", "apps.b", "is already the container of a"),
    ("apps: {a: {container: {label: x}}, b: {container: {label: x}}}", "apps.b.container",
     "is already the container of a"),
    ("mqtt: {url: mqtts://b, password: x, password_file: y}", "mqtt.password",
     "password and password_file are both given"),
    ("mqtt: {url: mqtts://b, cert_file: x}", "mqtt.cert_file", "needs key_file beside it"),
    ("mqtt: {url: mqtts://b, key_file: x}", "mqtt.key_file", "needs cert_file beside it"),
    ("incidents: {severity: {AppDwon: P0}}", "incidents.severity.AppDwon", "there is no alert of this name"),
    ("incidents: {respond: {P1: 9h}}", "incidents.respond.P1", "respond (9h) may not be longer than resolve (8h)"),
    ("incidents: {severity: {AppDown: P4}}", "incidents.severity.AppDown", "is not one of P0, P1, P2, P3"),
    ("mqtt: {url: mqtt://b, ca_file: x}", "mqtt.ca_file", "has no effect with mqtt://"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "reason"), RULES)
def test_rules(refuse: Refuse, text: str, key: str, reason: str) -> None:
    (problem,) = refuse(text)
    assert (problem.line, problem.key, problem.reason) == (1, key, reason)


def test_the_longer_circle_is_told_once(refuse: Refuse) -> None:
    (problem,) = refuse("apps:\n  a: {needs: [b]}\n  b: {needs: [c]}\n  c: {needs: [a]}\n  d: {needs: [a]}")
    assert problem.key.endswith(".needs")
    assert problem.reason.removeprefix("apps need each other in a circle: ") in {
        "a → b → c → a", "b → c → a → b", "c → a → b → c",
    }  # fmt: skip


def test_every_circle_is_told(refuse: Refuse) -> None:
    problems = refuse("apps: {a: {needs: [b]}, b: {needs: [a]}, c: {needs: [d]}, d: {needs: [c]}}")
    assert len(problems) == 2


@pytest.mark.parametrize(
    "text",
    [
        "dependencies: {d: {tcp: 5}}",
        "dependencies: {d: {htpp: 'http://x'}}",
        "dependencies: {d: 5}\napps: {a: {needs: [d]}}",
        "dependencies: [d]\napps: {a: {needs: [d]}}",
        "apps: {a: {needs: [b]}, b: 5}",
        "apps: {a: {needs: ['b c']}, 'b c': {}}",
        "sampling: {every: 10}\napps: {a: {memory: {leak: {window: 10s}}}}",
        "host: {memory: {warn: x, critical: 1%}}",
        "mqtt: {url: 5, ca_file: x}",
    ],
)
def test_a_key_that_could_not_be_read_breaks_no_rule(refuse: Refuse, text: str) -> None:
    reasons = " ".join(problem.reason for problem in refuse(text))
    assert not any(word in reasons for word in ("neither a dependency", "what to check", "must be", "no effect"))


def test_what_is_allowed(load_text: Load) -> None:
    load_text("""
        mqtt: {url: "mqtts://[::1]:8883", cert_file: a, key_file: b, ca_file: c, password: x}
        docker: {url: "tcp://10.0.0.1:2376", restart: {after: 0s, unit: docker@1.service}}
        http: {listen: ":9108"}
        host: {disk: {paths: []}}
        apps:
          a: {needs: [b, c], health: {every: 2s}}
          b: {needs: [c], container: x}
          c: {health: {http: "https://user:pw@x/health?a=b@c", ca_file: x}}
    """)

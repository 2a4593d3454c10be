"""Every kind of error, with its line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config import ConfigError, load, render

from .conftest import Refuse

SHAPES = [
    # text, line, column, key, reason, hint
    ("device: {}\nsampling:\n  evry: 5s", 3, 3, "sampling.evry", "unknown key", "did you mean every?"),
    ("Discover: all", 1, 1, "Discover", "unknown key", "did you mean discover?"),
    ("apps:\n  x: {start-period: 1s}", 2, 7, "apps.x.start-period", "unknown key",
     "it belongs under apps.<name>.health"),
    ("apps: {x: {health: {start-period: 1s}}}", 1, 21, "apps.x.health.start-period", "unknown key",
     "did you mean start_period?"),
    ("apps: {x: {http: 'http://x'}}", 1, 12, "apps.x.http", "unknown key", "it belongs under apps.<name>.health"),
    ("poll: 5s", 1, 1, "poll", "unknown key", "it belongs under docker"),
    ("docker: {sampling: {}}", 1, 10, "docker.sampling", "unknown key", "it belongs at the top level"),
    ("apps: {x: {memory.warn: 5%}}", 1, 12, "apps.x.memory.warn", "unknown key",
     "write it nested: memory: {warn: …}"),
    ("log: {qqqq: 1}", 1, 7, "log.qqqq", "unknown key", "known here: format"),
    ("sampling: {every: 5s, every: 6s}", 1, 23, "sampling.every", "is given twice", "it is first given on line 1"),
    ("apps:\n  a: {}\n  b: {}\n  a: {}", 4, 3, "apps.a", "is given twice", "it is first given on line 2"),
    ("mqtt: {username: x}", 1, 7, "mqtt.url", "is missing", ""),
    ("apps: {a: {container: {}}}", 1, 23, "apps.a.container.label", "is missing", ""),
    ("host: 5", 1, 7, "host", "is a single value; a section with keys is expected here", ""),
    ("host: [1]", 1, 7, "host", "is a list; a section with keys is expected here", ""),
    ("apps: [x]", 1, 7, "apps", "is a list; a section with keys is expected here", ""),
    ("apps: x", 1, 7, "apps", "is a single value; a section with keys is expected here", ""),
    ("mqtt: mqtts://b", 1, 7, "mqtt", "is a single value; a section with keys is expected here", ""),
    ("discover: [all]", 1, 11, "discover", "is a list; a single value is expected here", ""),
    ("discover: {a: b}", 1, 11, "discover", "is a section with keys; a single value is expected here", ""),
    ("host: {disk: {paths: {a: b}}}", 1, 22, "host.disk.paths",
     "is a section with keys; a list is expected here", ""),
    ("host: {disk: {paths: /}}", 1, 22, "host.disk.paths", "is a single value; a list is expected here",
     "write it like [/]"),
    ("host: {disk: {paths: [/, [x]]}}", 1, 26, "host.disk.paths.1", "is a list; a single value is expected here", ""),
    ("discover:", 1, 10, "discover", "has no value", "leave the key out to get its default"),
    ("sampling: {every: ~}", 1, 19, "sampling.every", "has no value", "leave the key out to get its default"),
    ("a: 1", 1, 1, "a", "unknown key", ""),
    ("apps: {'a b': {}}", 1, 8, "apps.a b", "the name is not a valid name",
     "letters, digits, `_`, `.` and `-`, at most 128, beginning with a letter or digit"),
    ("device: {labels: {a: [x]}}", 1, 22, "device.labels.a", "is a list; a single value is expected here", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "key", "reason", "hint"), SHAPES)
def test_shapes(refuse: Refuse, text: str, line: int, column: int, key: str, reason: str, hint: str) -> None:
    (problem,) = refuse(text)
    assert (problem.line, problem.column, problem.key, problem.reason, problem.hint) == (
        line, column, key, reason, hint,
    )  # fmt: skip
    assert problem.file.endswith("/edged.yaml")


VALUES = [
    ("sampling: {every: 5}", "sampling.every", "'5'", "has no unit"),
    ("sampling: {every: 5 sek}", "sampling.every", "'5 sek'", "is not a duration"),
    ("sampling: {every: 99ms}", "sampling.every", "'99ms'", "must be at least 100ms"),
    ("docker: {poll: 999ms}", "docker.poll", "'999ms'", "must be at least 1s"),
    ("docker: {timeout: 10m}", "docker.timeout", "'10m'", "must be at most 5m"),
    ("docker: {timeout: 0}", "docker.timeout", "'0'", "must be at least 50ms"),
    ("docker: {restart: {after: 1ms}}", "docker.restart.after", "'1ms'", "must be 0s (off) or at least 1s"),
    ("docker: {restart: {unit: -f}}", "docker.restart.unit", "'-f'", "is not a valid systemd unit"),
    ("mqtt: {url: mqtts://b, metrics_every: 0s}", "mqtt.metrics_every", "'0s'", "must be at least 1s"),
    ("mqtt: {url: mqtts://b, keepalive: 20h}", "mqtt.keepalive", "'20h'", "must be at most 18h12m15s"),
    ("mqtt: {url: mqtts://b, in_flight: 1001}", "mqtt.in_flight", "'1001'", "must be at most 1000"),
    ("mqtt: {url: mqtts://b, in_flight: 0x10}", "mqtt.in_flight", "'0x10'", "is not a whole number"),
    ("mqtt: {url: mqtts://b, in_flight: 1_0}", "mqtt.in_flight", "'1_0'", "is not a whole number"),
    ("mqtt: {url: mqtts://b, in_flight: 010}", "mqtt.in_flight", "'010'", "is not a whole number"),
    ("mqtt: {url: mqtts://b, in_flight: 1.0}", "mqtt.in_flight", "'1.0'", "is not a whole number"),
    ("mqtt: {url: http://b}", "mqtt.url", "'http://b'", "is not a valid mqtt(s) URL"),
    ("mqtt: {url: mqtts://b/x}", "mqtt.url", "'mqtts://b/x'", "is not a valid mqtt(s) URL"),
    ("mqtt: {url: 'mqtts://:1883'}", "mqtt.url", "'mqtts://:1883'", "names no host"),
    ("mqtt: {url: 'mqtts://b:0'}", "mqtt.url", "'mqtts://b:0'", "has a port outside 1..65535"),
    ("mqtt: {url: ''}", "mqtt.url", "''", "is empty"),
    ("mqtt: {url: mqtts://u@b}", "mqtt.url", "'mqtts://***@b'", "holds a user name or password"),
    ("mqtt: {url: mqtts://b, ca_file: ''}", "mqtt.ca_file", "''", "is empty"),
    ("mqtt: {url: mqtts://b, ca_file: ~/x}", "mqtt.ca_file", "'~/x'",
     "begins with ~, which means nothing to a daemon"),
    ("history: {max_size: 64m}", "history.max_size", "'64m'", "is not a size"),
    ("history: {max_size: 1kB}", "history.max_size", "'1kB'", "must be at least 1MiB"),
    ("host: {cpu: {warn: 80}}", "host.cpu.warn", "'80'", "is more than 100%"),
    ("host: {cpu: {warn: 101%}}", "host.cpu.warn", "'101%'", "is more than 100%"),
    ("host: {temperature: {warn: .nan}}", "host.temperature.warn", "'.nan'", "is not a finite number"),
    ("host: {temperature: {warn: -.inf}}", "host.temperature.warn", "'-.inf'", "is not a finite number"),
    ("host: {temperature: {warn: 75C}}", "host.temperature.warn", "'75C'", "is not a number"),
    ("host: {temperature: {critical: 1000}}", "host.temperature.critical", "'1000'", "must be at most 150"),
    ("host: {pressure: {pause: maybe}}", "host.pressure.pause", "'maybe'", "is neither true nor false"),
    ("discover: some", "discover", "'some'", "is not one of all, labels, off"),
    ("device: {id: a b}", "device.id", "'a b'", "is not a valid device id"),
    ("device: {id: \"ab\\n\"}", "device.id", "'ab\\n'", "holds a control or invisible character"),
    ("http: {listen: localhost}", "http.listen", "'localhost'", "is not a valid host:port"),
    ("http: {listen: 'x:65536'}", "http.listen", "'x:65536'", "has a port outside 1..65535"),
    ("http: {listen: '[::g]:1'}", "http.listen", "'[::g]:1'", "is not a valid host:port"),
    ("http: {listen: '[1:2]:1'}", "http.listen", "'[1:2]:1'", "has no valid IPv6 address in its brackets"),
    ("docker: {url: 'unix://run/x'}", "docker.url", "'unix://run/x'", "needs the full path of a socket"),
    ("docker: {url: 'tcp://x:99999'}", "docker.url", "'tcp://x:99999'", "has a port outside 1..65535"),
    ("apps: {a: {health: {http: 'http://a b'}}}", "apps.a.health.http", "'http://a b'", "holds a space"),
    ("apps: {a: {health: {http: 'http://:80/'}}}", "apps.a.health.http", "'http://:80/'", "names no host"),
    ("apps: {a: {health: {http: 'http://a:b:c/'}}}", "apps.a.health.http", "'http://a:b:c/'",
     "is not a host and a port"),
    ("apps: {a: {container: -x}}", "apps.a.container", "'-x'", "is not a valid name"),
    ("apps: {a: {container: {label: '=x'}}}", "apps.a.container.label", "'=x'", "is not a valid container label"),
    ("apps: {a: {needs: [a b]}}", "apps.a.needs.0", "'a b'", "is not a valid name"),
    ("dependencies: {a: {dns: 'a b'}}", "dependencies.a.dns", "'a b'", "is not a valid host name"),
    ("device: {labels: {x: '${NOT}'}}", "device.labels.x", "'${NOT}'", "the environment variable NOT is not set"),
    ("device: {labels: {x: '${A}${B}'}}", "device.labels.x", "'${A}${B}'",
     "the environment variables A, B are not set"),
    ("device: {labels: {x: '${}'}}", "device.labels.x", "'${}'", "holds a ${ that begins no variable"),
    ("device: {labels: {x: '${A-b}'}}", "device.labels.x", "'${A-b}'", "holds a ${ that begins no variable"),
    ("sampling: {every: '${SET}'}", "sampling.every", "'${SET}'",
     "with its variables filled in, is not a duration"),
    ("log: {format: !!python/name:os.system plain}", "log.format", "", "carries a YAML tag"),
    ("log: {format: !x plain}", "log.format", "", "carries a YAML tag"),
    ("log: !!set {format}", "log", "", "carries a YAML tag"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "value", "reason"), VALUES)
def test_values(refuse: Refuse, text: str, key: str, value: str, reason: str) -> None:
    (problem,) = refuse("# first\n" + text, {"SET": "five"})
    assert (problem.line, problem.key, problem.value, problem.reason) == (2, key, value, reason)


def test_everything_at_once_and_in_the_order_of_the_file(refuse: Refuse) -> None:
    problems = refuse("""
        sampling: {every: 5}
        host:
          memory: {warn: 97%}
          cpu: {wran: 1}
        dependencies:
          d: {every: 1s, timeout: 2s, tcp: "x:1", http: "http://x"}
        apps:
          a: {needs: [b, nobody], container: c}
          b: {needs: [a], container: c}
        discover: maybe
    """)
    assert [(problem.line, problem.key) for problem in problems] == [
        (1, "sampling.every"),
        (3, "host.memory.warn"),
        (4, "host.cpu.wran"),
        (6, "dependencies.d.timeout"),
        (6, "dependencies.d.http"),
        (8, "apps.a.needs"),
        (8, "apps.a.needs"),
        (9, "apps.b.container"),
        (10, "discover"),
    ]


def test_long_values_are_cut(refuse: Refuse) -> None:
    (problem,) = refuse("discover: " + "x" * 1000)
    assert len(problem.value) == 80
    (problem,) = refuse("x" * 900 + ": 1")
    assert len(problem.key) == 80
    assert problem.hint == ""


def test_nothing_in_a_message_upsets_a_terminal(refuse: Refuse) -> None:
    problems = refuse('"a\\e[2J\\n": 1\ndiscover: "\\e[2J\\n"\napps: {a: {needs: "\\e"}}')
    assert all(line.isprintable() for line in render(problems).split("\n"))
    assert len(render(problems).split("\n")) == 3


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    expected = {"gone": "there is no such file", "folder": "is a folder, not a file", "\0": "is not a usable path"}
    for name, reason in expected.items():
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / name, {})
        (problem,) = caught.value.errors
        assert (problem.file, problem.line, problem.reason) == (str(tmp_path / name), 0, reason)

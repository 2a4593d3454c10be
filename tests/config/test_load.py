"""What a file turns into when it is in order."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from edged.config import (
    Config,
    ConfigError,
    Device,
    Label,
    Problem,
    check_files,
    load,
    load_default,
    observed_app,
    render,
)

from .conftest import Load


def test_an_empty_file_is_all_defaults(load_text: Load) -> None:
    expected = Config(device=Device(id="box"), state_dir="/var/lib/edged")
    for text in ("", "# nothing\n", "---\n", "{}\n", "\ufeff", "~\n"):
        assert load_text(text).config == expected


def test_values_become_what_they_mean(load_text: Load, tmp_path: Path) -> None:
    config = load_text("""
        device: {id: press-7, labels: {line: 3, "on": off, version: 1.10}}
        state_dir: state
        mqtt:
          url: mqtts://broker.example:8883
          password_file: secrets/mqtt
          ca_file: /etc/ssl/ca.pem
          cert_file: c.pem
          key_file: k.pem
          metrics_every: 1m30s
          spool: {max_size: 1GiB}
        host: {memory: {warn: 70%, for: 0}, disk: {paths: [/, /data]}, temperature: {warn: 60.5}}
        dependencies: {broker: {tcp: "[::1]:1883"}, dns-server: {dns: ntp.example}}
        apps:
          detector: {container: {label: edged.app=detector}, needs: [broker, other], cpu: {warn: 0.5}}
          other: {priority: "7", health: {docker: no}}
          bare:
        discover: off
    """).config
    assert config.device == Device(id="press-7", labels={"line": "3", "on": "off", "version": "1.10"})
    assert config.state_dir == str(tmp_path / "state")
    assert config.mqtt is not None
    assert config.mqtt.password_file == str(tmp_path / "secrets/mqtt")
    assert config.mqtt.ca_file == "/etc/ssl/ca.pem"
    assert config.mqtt.metrics_every == 90.0
    assert config.mqtt.spool.max_size == 2**30
    assert config.host.memory.warn == 0.7
    assert config.host.memory.for_ == 0.0
    assert config.host.disk.paths == ("/", "/data")
    assert config.host.temperature.warn == 60.5
    assert config.dependencies["broker"].tcp == "[::1]:1883"
    assert config.apps["detector"].container == Label(label="edged.app=detector")
    assert config.apps["detector"].needs == ("broker", "other")
    assert config.apps["other"].priority == 7
    assert config.apps["other"].health.docker is False
    assert config.discover == "off"


def test_a_section_with_nothing_in_it_is_as_if_left_out(load_text: Load) -> None:
    text = "host:\n  disk:\n    paths:\nmqtt:\napps:\ndevice:\n  labels:\n"
    assert load_text(text).config == load_text("").config


def test_variables_come_from_the_environment(load_text: Load) -> None:
    env = {"SITE": "a", "PRIO": "3", "PW": "x: [y] # ${NOT_ME} \n"}
    config = load_text(
        """
        device: {labels: {site: "plant-${SITE}${SITE}", raw: "$${SITE} $SITE $$"}}
        mqtt: {url: mqtts://b, password: "${PW}"}
        apps: {x: {priority: "${PRIO}"}}
        """,
        env,
    ).config
    assert config.device.labels == {"site": "plant-aa", "raw": "${SITE} $SITE $$"}
    assert config.apps["x"].priority == 3
    assert config.mqtt is not None
    assert config.mqtt.password == env["PW"], "filled in once, and never read as YAML"


def test_anchors_and_merges(load_text: Load) -> None:
    config = load_text("""
        apps:
          a: &base
            memory: &memory {warn: 70%}
            priority: 3
          b:
            <<: *base
            priority: 4
          c: {memory: {<<: [*memory, {warn: 10%, critical: 96%}], for: 1s}}
    """).config
    assert (config.apps["b"].memory.warn, config.apps["b"].priority) == (0.7, 4)
    assert (config.apps["c"].memory.warn, config.apps["c"].memory.critical) == (0.7, 0.96)


def test_what_the_machine_gives(tmp_path: Path, load_text: Load) -> None:
    path = tmp_path / "empty.yaml"
    path.touch()
    assert load(path, {}, hostname="Press 7.plant/äx").config.device.id == "Press-7-plant-x"
    assert load(path, {}, hostname="ä").config.device.id == "edge"
    assert len(load(path, {}, hostname="x" * 99).config.device.id) == 64
    assert load(path, {}).config.device.id
    assert load(path, {"STATE_DIRECTORY": "/run/a:/run/b"}).config.state_dir == "/run/a"
    assert load(path, {"STATE_DIRECTORY": ""}).config.state_dir == "/var/lib/edged"
    assert load_text("state_dir: /x", {"STATE_DIRECTORY": "/y"}).config.state_dir == "/x"


def test_no_file_at_all_only_observes() -> None:
    loaded = load_default({"STATE_DIRECTORY": "/s"}, hostname="h")
    assert loaded.config == Config(device=Device(id="h"), state_dir="/s", discover="all")
    assert (loaded.path, loaded.warnings, check_files(loaded)) == ("", (), ())
    app = observed_app("web")
    assert app.container == "web"
    assert not app.restart.enabled


def test_the_digest_is_of_the_bytes(load_text: Load) -> None:
    text = b"# x\ndiscover: all\n"
    assert load_text(text).digest == "sha256:" + hashlib.sha256(text).hexdigest()


def test_an_app_knows_which_keys_the_file_sets(load_text: Load) -> None:
    apps = load_text("""
        apps:
          a.b: {needs: [c], priority: 50, health: {http: http://x/}, container: {label: x}, memory: {leak: {}}}
          c:
    """).config.apps
    assert apps["a.b"].given == ("container.label", "health.http", "needs", "priority")
    assert apps["c"].given == ()


@pytest.mark.parametrize(
    ("text", "key"), [("mqtt: {url: mqtt://broker.example, password: x}", "mqtt.url"), ("discover: off", "discover")]
)
def test_warnings(load_text: Load, text: str, key: str) -> None:
    (warning,) = load_text(text).warnings
    assert (warning.key, warning.line) == (key, 1)


def test_no_warnings_where_nothing_is_wrong(load_text: Load) -> None:
    assert load_text("mqtt: {url: mqtt://127.0.0.1, password: x}").warnings == ()
    assert load_text("mqtt: {url: mqtt://broker.example}").warnings == ()


def test_named_files_are_looked_for_when_asked(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    loaded = load_text("""
        state_dir: not-looked-for
        mqtt:
          url: mqtts://b
          password_file: missing
          ca_file: there
          cert_file: .
          key_file: pipe
        apps: {a.b: {health: {http: https://x, ca_file: gone}}}
    """)
    problems = check_files(loaded)
    assert [(p.line, p.key, p.reason) for p in problems] == [
        (4, "mqtt.password_file", "cannot be read: No such file or directory"),
        (6, "mqtt.cert_file", "cannot be read: Is a directory"),
        (7, "mqtt.key_file", "is not a regular file"),
        (8, "apps.a.b.health.ca_file", "cannot be read: No such file or directory"),
    ]
    assert problems[0].value == repr(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("0123456789abcdef", ""), ("0123456789abcdef\n", ""), ("0123456789abcdef\r\n", ""), ("x" * 512, ""),
        ("", "holds no token"), ("short", "holds no token"), ("0123456789 abcdef", "holds no token"),
        ("0123456789abcdef\nmore", "holds no token"), ("0123456789abcdeü", "holds no token"), ("x" * 513, "holds no"),
        ("0123456789abcdef\x00", "holds no token"),
    ],
)  # fmt: skip
def test_the_token_of_the_page_must_be_one(load_text: Load, tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "token").write_text(content, newline="")
    problems = check_files(load_text("http: {listen: '0.0.0.0:9108', token_file: token}"))
    assert [problem.key for problem in problems] == (["http.token_file"] if reason else [])
    assert all(
        (problem.reason.startswith(reason) and content not in str(problem)) or not content for problem in problems
    )


def test_a_token_in_a_pipe_does_not_hold_anything_up(load_text: Load, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")
    problems = check_files(load_text("http: {token_file: token}"))
    assert problems[0].reason == "is not a regular file"


def test_rendering() -> None:
    problem = Problem(file="e.yaml", line=3, column=1, key="a.b", value="'x'", reason="is bad", hint="do so")
    assert render([problem, Problem(file="e.yaml", reason="is gone")]) == (
        "e.yaml:3: a.b: 'x': is bad (do so)\ne.yaml: is gone"
    )
    assert str(ConfigError((problem,))) == render([problem])

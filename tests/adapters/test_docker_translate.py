"""The engine's JSON, real samples and nonsense."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.adapters.docker_translate import (
    choose_version,
    engine_version,
    from_inspect,
    from_list,
    is_tty,
    to_change,
    to_usage,
)
from edged.vocabulary.facts import ContainerChanged
from edged.vocabulary.times import unix_time
from edged.vocabulary.world import Container, Usage

ID = "ab8f02e319ec1d3ad591a9f9cd198bc949d01708fe0f954492ed47d5693f86aa"
LISTED: dict[str, Any] = {
    "Id": ID, "Names": ["/web"], "Image": "bb", "ImageID": "sha256:40c9", "Command": "sleep 100",
    "Created": 1795219278, "Ports": [], "Labels": {"x": "y"}, "State": "running", "Status": "Up 5 minutes",
    "HostConfig": {"NetworkMode": "host"}, "Mounts": [],
}  # fmt: skip
INSPECTED: dict[str, Any] = {
    "Id": ID, "Created": "2026-11-21T00:01:18.013254654Z", "Name": "/web", "Image": "sha256:40c9",
    "State": {
        "Status": "running", "Running": True, "Paused": False, "Restarting": False, "OOMKilled": False, "Dead": False,
        "Pid": 4711, "ExitCode": 0, "Error": "", "StartedAt": "2026-11-21T00:05:04.617139638Z",
        "FinishedAt": "0001-01-01T00:00:00Z", "Health": {"Status": "starting", "FailingStreak": 0, "Log": []},
    },
    "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}, "Memory": 64 << 20, "CpuQuota": 50000, "CpuPeriod": 0},
    "Config": {"Tty": False, "Image": "bb", "Labels": {"x": "y"}},
}  # fmt: skip
EVENT: dict[str, Any] = {
    "status": "die", "id": ID, "from": "bb", "Type": "container", "Action": "die", "scope": "local",
    "Actor": {"ID": ID, "Attributes": {"exitCode": "137", "image": "bb", "name": "web", "x": "y"}},
    "time": 1795219278, "timeNano": 1795219278020367416,
}  # fmt: skip
V1_STATS: dict[str, Any] = {
    "memory_stats": {"usage": 5000, "max_usage": 9000, "limit": 25_000_000_000,
                     "stats": {"inactive_file": 1, "total_inactive_file": 2000}},
    "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000},
                  "throttling_data": {"periods": 10, "throttled_periods": 4, "throttled_time": 2_000_000_000}},
    "pids_stats": {"current": 3},
}  # fmt: skip
V2_STATS = V1_STATS | {"memory_stats": {"usage": 5000, "limit": 1, "stats": {"inactive_file": 500, "anon": 4000}}}


def listed(**changes: Any) -> Container:
    found = from_list(LISTED | changes)
    assert found is not None
    return found


def inspected(**state: Any) -> Container:
    found = from_inspect(INSPECTED | {"State": INSPECTED["State"] | state})
    assert found is not None
    return found


def change(action: str, **attributes: str) -> ContainerChanged:
    found = to_change(EVENT | {"Action": action, "Actor": {"ID": ID, "Attributes": attributes}}, 5.0)
    assert found is not None
    return found


def test_list_entry() -> None:
    assert listed() == Container(
        id=ID, name="web", status="running", image="bb", image_id="sha256:40c9", labels={"x": "y"},
        created_at=1795219278.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "text", "health", "code"),
    [
        ("running", "Up 2 minutes (healthy)", "healthy", None),
        ("running", "Up 2 minutes (unhealthy)", "unhealthy", None),
        ("running", "Up Less than a second (health: starting)", "starting", None),
        ("exited", "Exited (137) 2 minutes ago", "none", 137),
        ("exited", "Exited (0) Less than a second ago", "none", 0),
        ("exited", "Exited (-1) 3 days ago", "none", -1),
        ("restarting", "Restarting (1) 5 seconds ago", "none", 1),
        ("paused", "Up 2 minutes (Paused)", "none", None),
        ("removing", "Removal In Progress", "none", None),
        ("dead", "Dead", "none", None),
        ("created", "Created", "none", None),
    ],
)
def test_list_status_text(state: str, text: str, health: str, code: int | None) -> None:
    found = listed(State=state, Status=text)
    assert (found.status, found.health, found.exit_code) == (state, health, code)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"State": None}, "running"),
        ({"State": "stopped", "Status": "Exited (0) now"}, "exited"),
        ({"State": "stopping"}, "running"),
        ({"State": None, "Status": "Up 1 second (Paused)"}, "paused"),
        ({"State": None, "Status": "Restarting (1) 1 second ago"}, "restarting"),
        ({"State": "configured", "Status": ""}, "created"),
    ],
)
def test_states_of_other_engines(told: dict[str, Any], status: str) -> None:
    assert listed(**told).status == status


def test_list_health_field_of_newer_engines() -> None:
    assert listed(Health={"Status": "unhealthy", "FailingStreak": 3}).health == "unhealthy"


@pytest.mark.parametrize(
    ("names", "name"), [(["/other/alias", "/web"], "web"), (["/a/b"], ID[:12]), (None, ID[:12]), ([None, ""], ID[:12])]
)
def test_list_names(names: Any, name: str) -> None:
    assert listed(Names=names).name == name


def test_inspect() -> None:
    assert inspected() == Container(
        id=ID, name="web", status="running", image="bb", image_id="sha256:40c9", health="starting", exit_code=None,
        labels={"x": "y"}, restart_policy="unless-stopped", pid=4711, created_at=1795219278.013254,
        started_at=1795219504.617139,
    )  # fmt: skip
    ended = inspected(Status="exited", Pid=0, ExitCode=137, OOMKilled=True)
    assert (ended.pid, ended.exit_code, ended.oom_killed) == (None, 137, True)
    never = inspected(Status="created", Pid=0, ExitCode=0, StartedAt="0001-01-01T00:00:00Z")
    assert (never.exit_code, never.started_at) == (None, None)
    assert inspected(Status="created", Pid=0, ExitCode=127).exit_code == 127, "its start failed"


def test_inspect_restart_policy() -> None:
    def policy(host: Any) -> str | None:
        found = from_inspect(INSPECTED | {"HostConfig": host})
        return found.restart_policy if found else "?"

    assert policy({"RestartPolicy": {"Name": ""}}) == "no"
    assert policy({"RestartPolicy": {"Name": "always"}}) == "always"
    assert policy({}) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("2026-11-21T00:05:04.617139638Z", 1795219504.617139),
        ("2026-11-21T02:05:04.5+02:00", 1795219504.5),
        ("2026-11-21T00:05:04", 1795219504.0),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("soon", None),
        (None, None),
        (12, None),
    ],
)
def test_unix_time(text: Any, seconds: float | None) -> None:
    assert unix_time(text) == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


def test_events() -> None:
    assert to_change(EVENT, 5.0) == ContainerChanged(
        at=5.0, id=ID, name="web", action="die", image="bb", labels={"x": "y"}, exit_code=137,
        time=1795219278020367416 / 1e9,
    )  # fmt: skip
    assert change("kill", signal="15").signal == 15
    assert change("kill", signal="SIGKILL").signal == 9
    assert change("kill", signal="HUP").signal == 1
    assert change("kill", signal="what").signal is None
    assert change("health_status: unhealthy").health == "unhealthy"
    assert change("health_status: healthy").health == "healthy"
    assert change("health_status").health == "none"
    assert change("rename", name="new", oldName="/old").name == "new"
    assert change("start", exitCode="1").exit_code is None


@pytest.mark.parametrize(
    "message",
    [
        EVENT | {"Action": "exec_create: sh -c true"},
        EVENT | {"Action": "exec_die"},
        EVENT | {"Action": "top"},
        EVENT | {"Type": "network", "Action": "destroy"},
        EVENT | {"Actor": {}, "id": ""},
        {},
        None,
        [],
        "die",
    ],
)
def test_not_for_us(message: Any) -> None:
    assert to_change(message, 0.0) is None


def test_event_without_the_new_fields() -> None:
    found = to_change({"status": "start", "id": ID, "from": "bb", "time": 7}, 0.0)
    assert found is not None
    assert (found.action, found.name, found.image, found.time) == ("start", ID[:12], "bb", 7.0)


def test_usage() -> None:
    expected = Usage(
        container_id=ID, memory=3000, memory_limit=64 << 20, cpu_seconds=1.5, cpu_limit=0.5, periods=10,
        throttled_periods=4, throttled_seconds=2.0, pids=3,
    )  # fmt: skip
    assert to_usage(ID, V1_STATS, INSPECTED) == expected
    assert to_usage(ID, V2_STATS, INSPECTED) == msgspec.structs.replace(expected, memory=4500)
    unlimited = to_usage(ID, V1_STATS, {"HostConfig": {"Memory": 0, "NanoCpus": 0, "CpuQuota": -1}})
    assert (unlimited.memory_limit, unlimited.cpu_limit) == (None, None)
    assert to_usage(ID, V1_STATS, {"HostConfig": {"NanoCpus": 1_500_000_000}}).cpu_limit == 1.5
    assert to_usage(ID, {"memory_stats": {}}, {}) == Usage(container_id=ID, memory=0)


def test_versions() -> None:
    assert choose_version("1.41", "1.45") == "1.41"
    assert choose_version("1.50", "1.45") == "1.45"
    assert choose_version("1.9", "1.45") == "1.9"
    with pytest.raises(ValueError, match="invalid literal"):
        choose_version("newest", "1.45")
    assert engine_version({"server": "Docker/20.10.24+dfsg1 (linux)"}) == "20.10.24+dfsg1"
    assert engine_version({"server": "Libpod/4.3.1 (linux)"}) == "4.3.1"
    assert engine_version({"api-version": "1.41"}) == "API 1.41"
    assert engine_version({}) == "API unknown"


def test_tty() -> None:
    assert is_tty({"Config": {"Tty": True}})
    assert not is_tty({"Config": {"Tty": "yes"}})
    assert not is_tty({})


TEXT = st.text("ab/:0-9Z. (\u00e9\U0001f600", max_size=8) | st.sampled_from(
    ["2026-11-21T00:00:00Z", "Up 1 s", "9" * 400]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def _spoil(data: st.DataObject, sample: Any) -> Any:
    """The sample with some of its fields, at any depth, dropped or replaced by anything."""
    if not isinstance(sample, dict):
        return sample
    spoiled = {}
    for key, value in sample.items():
        fate = data.draw(st.sampled_from(["keep", "keep", "drop", "replace"]))
        if fate != "drop":
            spoiled[key] = _spoil(data, value) if fate == "keep" else data.draw(JSON)
    return spoiled


def _right(made: Any, kind: type) -> bool:
    """Encoding and strict decoding checks the type of every field."""
    return bool(msgspec.json.decode(msgspec.json.encode(made), type=kind) == made)


@settings(derandomize=True, deadline=None)
@given(st.data())
def test_whatever_the_engine_says_is_survived_and_of_the_right_type(data: st.DataObject) -> None:
    for made, kind in [
        (from_list(_spoil(data, LISTED)), Container),
        (from_inspect(_spoil(data, INSPECTED)), Container),
        (to_change(_spoil(data, EVENT), 1.0), ContainerChanged),
        (to_usage(ID, _spoil(data, V1_STATS), _spoil(data, INSPECTED)), Usage),
    ]:
        assert made is None or _right(made, kind)


@settings(derandomize=True, deadline=None)
@given(JSON)
def test_other_json_is_survived(anything: Any) -> None:
    made = from_list(anything), from_inspect(anything), to_usage(ID, anything, anything), to_change(anything, 0.0)
    for one, kind in zip(made, (Container, Container, Usage, ContainerChanged), strict=True):
        assert one is None or _right(one, kind)
    assert isinstance(unix_time(anything), float | None)

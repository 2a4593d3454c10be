"""Registries, types, docs and the sample configuration agree with each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec

from edged.cli import VERBS
from edged.config import App, Config, Dependency, Drift, Health, Metrics, Model, SmokeProbe, Source
from edged.config.incidents import BUILT_IN
from edged.judge import RULES
from edged.judge.commands import COMMANDS
from edged.observe import CHECKS
from edged.observe.jobs import plan
from edged.vocabulary.deployments import Artifact, Placed
from edged.vocabulary.events import AnyEvent
from edged.vocabulary.facts import AnyFact
from edged.vocabulary.state import AppState, Kept
from edged.vocabulary.world import Container

REPO = Path(__file__).resolve().parents[1]


def test_every_fact_has_a_rule() -> None:
    assert set(get_args(AnyFact)) == RULES.keys()


def test_every_planned_check_is_registered() -> None:
    config = Config(dependencies={"d": Dependency(tcp="127.0.0.1:1")})
    app = AppState(
        name="a",
        config=App(
            health=Health(http="http://127.0.0.1:1/"), metrics=Metrics(url="http://127.0.0.1:1/"),
            drift=Drift(source=Source(file="/rows.ndjson")),
            model=Model(path="/models", smoke="http://127.0.0.1:1/", probe=SmokeProbe()),
        ),
        container=Container(id="c", name="a", status="running"),
        condition="healthy",
        kept=Kept(placed={"model": Placed(current=Artifact(digest="sha256:1"))}),
    )  # fmt: skip
    assert {check for check, _ in plan(config, [app])} == CHECKS.keys()


def test_every_command_has_a_schema() -> None:
    for name, command in COMMANDS.items():
        schema = msgspec.json.schema(command.args)
        assert schema["$defs"][command.args.__name__]["additionalProperties"] is False, name


def test_event_types_are_unique_and_named_alike() -> None:
    types = [event.type for event in get_args(AnyEvent)]
    assert len(set(types)) == len(types)
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name in types)


def test_every_event_is_in_the_list_of_what_is_sent() -> None:
    listed = re.findall(r"`([a-z]+\.[a-z_]+)`", (REPO / "docs/mqtt.md").read_text().partition("| type ")[2])
    assert sorted(set(listed)) == sorted(event.type for event in get_args(AnyEvent))


def test_facts_round_trip() -> None:
    decoder = msgspec.json.Decoder(AnyFact)
    for fact in get_args(AnyFact):
        names = {field.name for field in msgspec.structs.fields(fact)}
        assert "at" in names and "fact" not in names
    tick = decoder.decode(b'{"fact":"Tick","at":1.5}')
    assert decoder.decode(msgspec.json.encode(tick)) == tick


def test_the_readme_knows_only_verbs_that_exist() -> None:
    text = (REPO / "README.md").read_text()
    named = set(re.findall(r"`?edged ([a-z]+)\b(?! edge)", text)) & {
        *VERBS,
        "report",
        "drill",
        "fleet",
        "deploy",
        "doctor",
    }
    assert named <= VERBS.keys()
    assert {"run", "check", "status", "alerts", "restart", "maintenance"} <= named


def test_scripts_named_in_the_readme_exist() -> None:
    for script in re.findall(r"`scripts/([a-z-]+)`", (REPO / "README.md").read_text()):
        assert (REPO / "scripts" / script).stat().st_mode & 0o111, script


def test_every_alert_has_a_severity_for_incidents() -> None:
    documented = set(re.findall(r"^\| ([A-Z][A-Za-z]+) \|", (REPO / "docs" / "alerts.md").read_text(), re.MULTILINE))
    assert documented == BUILT_IN.keys()
    table = (REPO / "docs" / "incidents.md").read_text()
    for name, rule in BUILT_IN.items():
        assert f"| {name} | {rule.warning} | {rule.critical} | {rule.why} |" in table


def test_every_alert_is_documented() -> None:
    sources = "".join(p.read_text() for p in (REPO / "edged" / "judge").glob("*.py"))
    raised = r'advance\(\s*"{0}"|"{0}": |yield "{0}"|name="{0}"'
    words = set(re.findall(r'"([A-Z][A-Za-z]+)"', sources))
    named = {word for word in words if re.search(raised.format(word), sources)}
    documented = set(re.findall(r"^\| ([A-Z][A-Za-z]+) \|", (REPO / "docs" / "alerts.md").read_text(), re.MULTILINE))
    assert {"AppDown", "EngineDown", "DiskFull", "HighMemory"} <= named
    assert named <= documented

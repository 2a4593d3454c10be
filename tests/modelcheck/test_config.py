"""App configurations, checked in a child as well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edged.modelcheck.types import ConfigCheck

from .conftest import CheckConfig

SCHEMA = {
    "type": "object",
    "required": ["camera"],
    "additionalProperties": False,
    "properties": {
        "camera": {
            "type": "object",
            "properties": {
                "fps": {"type": "integer", "maximum": 60},
                "since": {"type": "string"},
                "password": {"type": "string", "minLength": 12},
            },
        }
    },
}


@pytest.fixture
def schema(tmp_path: Path) -> str:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    return str(path)


def written(folder: Path, name: str, text: str | bytes) -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "camera: &c {fps: 30, since: 2026-01-01}\n"),
        ("a.YML", "camera: {fps: 30}\n"),
        ("a.json", '{"camera": {"fps": 30}}'),
        ("a.toml", "[camera]\nfps = 30\nsince = 2026-01-01\n"),
        ("a.ini", "[camera]\nsince = 100%\n"),
    ],
)
def test_every_kind_of_file(check_config: CheckConfig, tmp_path: Path, schema: str, name: str, text: str) -> None:
    verdict = check_config(ConfigCheck(file=written(tmp_path, name, text), schema=schema))
    assert verdict.ok, verdict
    assert verdict.network == "cut"


def test_every_breach_of_the_schema_is_named_without_its_value(
    check_config: CheckConfig, tmp_path: Path, schema: str
) -> None:
    text = "camera: {fps: 100, password: hunter2}\nextra: 1\n"
    verdict = check_config(ConfigCheck(file=written(tmp_path, "a.yaml", text), schema=schema))
    assert {(problem.code, problem.text) for problem in verdict.problems} == {
        ("schema", "camera.fps: does not keep to maximum 60"),
        ("schema", "camera.password: does not keep to minLength 12"),
        ("schema", "the document: Additional properties are not allowed ('extra' was unexpected)"),
    }
    assert "hunter2" not in str(verdict)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yaml", "a: [1, 2\nb: hunter2\n", "is not valid YAML"),
        ("a.yaml", "a: !!python/object/apply:os.system [ls]\n", "is not valid YAML"),
        ("a.yaml", "a: !!binary aGk=\n", "a bytes, which JSON has no type for"),
        ("a.yaml", "? [1]\n: 2\n", "a.yaml: "),
        ("a.yaml", "a: &a [*a]\n", "nested deeper than 64"),
        ("a.yaml", b"a: \xff\n", "is not UTF-8"),
        ("a.json", '{"a": 1,}', "is not valid JSON"),
        ("a.json", '{"a": NaN}', "NaN is not JSON"),
        ("a.json", "[" * 500_000, "is nested too deeply"),
        ("a.toml", "a = \n", "cannot be parsed"),
        ("a.ini", "[a]\nb = 1\nb = 2\n", "DuplicateOptionError (line 3)"),
        ("a.ini", "hunter2\n", "MissingSectionHeaderError (line 1)"),
        ("a.xml", "<a/>", "of an unknown kind"),
        ("a.yaml", "a: " + "x" * 2**20, "is larger than 1 MiB"),
    ],
)
def test_what_is_not_well_formed(
    check_config: CheckConfig, tmp_path: Path, name: str, text: str | bytes, words: str
) -> None:
    verdict = check_config(ConfigCheck(file=written(tmp_path, name, text)))
    assert [problem.code for problem in verdict.problems] == ["syntax"], verdict
    assert words in verdict.problems[0].text
    assert "hunter2" not in str(verdict)


def test_an_alias_bomb_is_refused_in_good_time(check_config: CheckConfig, tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    verdict = check_config(ConfigCheck(file=written(tmp_path, "a.yaml", "\n".join(lines))))
    assert [problem.code for problem in verdict.problems] == ["syntax"]
    assert "more than 100000 values" in verdict.problems[0].text


def test_a_bomb_of_brackets_costs_the_child_only(check_config: CheckConfig, tmp_path: Path) -> None:
    verdict = check_config(ConfigCheck(file=written(tmp_path, "a.yaml", "[" * 2**19)), cpu=10)
    assert len(verdict.problems) == 1 and verdict.problems[0].code in ("syntax", "crashed", "hung", "killed_for_memory")


def test_a_pattern_that_never_ends(check_config: CheckConfig, tmp_path: Path) -> None:
    schema = written(tmp_path, "s.json", json.dumps({"properties": {"a": {"pattern": "^(a+)+$"}}}))
    file = written(tmp_path, "a.json", json.dumps({"a": "a" * 64 + "b"}))
    verdict = check_config(ConfigCheck(file=file, schema=schema), cpu=2)
    assert [problem.code for problem in verdict.problems] == ["hung"]
    assert verdict.stage == "schema"


def test_a_missing_file(check_config: CheckConfig, tmp_path: Path, schema: str) -> None:
    verdict = check_config(ConfigCheck(file=str(tmp_path / "a.yaml"), schema=schema))
    assert [(problem.code, problem.text) for problem in verdict.problems] == [
        ("unreadable", "a.yaml: cannot be read: No such file or directory")
    ]


@pytest.mark.parametrize(
    "schema", ["{", '{"type": 7}', '{"$ref": "http://localhost/x.json"}', '{"$ref": "#/nowhere"}', '"x"', None]
)
def test_a_schema_that_cannot_be_used(check_config: CheckConfig, tmp_path: Path, schema: str | None) -> None:
    if schema is not None:
        written(tmp_path, "s.json", schema)
    request = ConfigCheck(file=written(tmp_path, "a.json", "{}"), schema=str(tmp_path / "s.json"))
    verdict = check_config(request)
    assert [problem.code for problem in verdict.problems] == ["schema_unusable"], verdict

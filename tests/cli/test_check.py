"""``edged check`` at a terminal, where there is less than the service has."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from edged.cli import OK, USAGE, check, values

SECRET = 'mqtt: {url: mqtts://h, username: u, password_file: "${CREDENTIALS_DIRECTORY}/mqtt.password"}\n'


def test_what_systemd_hands_to_the_service_alone_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, store = tmp_path / "edged.yaml", tmp_path / "credstore"
    file.write_text(SECRET)

    def main() -> int:
        return check.main(Namespace(config=str(file), json=False), "check")

    monkeypatch.setattr(values, "CREDSTORE", store)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert main() == OK
    told = capsys.readouterr()
    assert "is in order" in told.out and "mqtt.password_file" in told.err and "No such file" in told.err, "a warning"
    store.mkdir()
    (store / "mqtt.password").write_text("x")
    assert main() == OK and not capsys.readouterr().err
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))  # the service itself: there it has to be
    assert main() == USAGE
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    file.write_text(SECRET.replace("${CREDENTIALS_DIRECTORY}", str(tmp_path / "etc")))
    assert main() == USAGE, "any other file that cannot be read is an error"

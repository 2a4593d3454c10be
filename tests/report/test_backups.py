"""What is told of the backups of an app's data: status, Prometheus, journal."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from edged.config import App, Config
from edged.report import backups, journal
from edged.report.metrics import Counters, Vitals, render
from edged.report.snapshot import Snapshot
from edged.report.status import status
from edged.vocabulary.data import DataCare, Restoring, Stored
from edged.vocabulary.data_events import DataBackedUp, DataRestored
from edged.vocabulary.event import Event
from edged.vocabulary.state import AppState, Kept, State

CONFIGURED = msgspec.convert({"data": {"path": "/data"}}, App)
CARE = DataCare(next_at=160.0, last="backup-3", last_at=40.0)


def shot(care: DataCare, config: App = CONFIGURED) -> Snapshot:
    app = AppState(name="a", config=config, kept=Kept(data=care))
    return Snapshot(State(apps={"a": app}), Config(apps={"a": config}), now=100.0, wall=1.7e9)


def page(seen: Snapshot) -> str:
    return render(seen, Counters(), Vitals(lambda: (0, 0), lambda: 0.0, dict)).decode()


def test_status() -> None:
    told = status(shot(CARE), {})["apps"]["a"]["data"]
    assert told["last"] == "backup-3" and told["error"] == "" and told["restoring"] is None
    assert (told["last_time"], told["next_time"]) == ("2023-11-14T22:12:20.000Z", "2023-11-14T22:14:20.000Z")
    wanted = Restoring(id="1", by="ann", which="latest", since=90.0, data=Stored(path="/data"), within=60.0)
    assert status(shot(replace(CARE, restoring=wanted)), {})["apps"]["a"]["data"]["restoring"]["phase"] == "stopping"
    assert status(shot(DataCare(), App()), {})["apps"]["a"]["data"] is None


def test_prometheus() -> None:
    text = page(shot(CARE))
    assert 'edged_data_backup_timestamp_seconds{app="a"} 1.69999994e+09' in text
    assert 'edged_data_backup_ok{app="a"} 1.0' in text
    assert 'edged_data_backup_ok{app="a"} 0.0' in page(shot(replace(CARE, error="no room")))
    assert 'edged_data_backup_ok{app="a"}' not in page(shot(DataCare()))


@pytest.mark.parametrize(
    ("event", "level", "words"),
    [
        (DataBackedUp(subject="a", ok=True, by="edged", name="b-1", bytes=9), "info", "not verified by the app"),
        (DataBackedUp(subject="a", ok=False, by="edged", code="verify", reason="torn"), "warning", "NO backup"),
        (DataRestored(subject="a", ok=True, id="1", by="ann", name="b-1", aside="c-2"), "info", "is kept as c-2"),
        (DataRestored(subject="a", ok=False, id="1", by="ann", code="half", reason="x"), "warning", "FAILED [half]"),
    ],
)
def test_journal(event: Event, level: str, words: str) -> None:
    assert journal.severity(event) == level and words in journal.sentence(event)
    assert isinstance(event, DataBackedUp | DataRestored) and backups.sentence(event) == journal.sentence(event)

"""What must hold of incidents whatever happens. Looks on at every fact."""

from __future__ import annotations

from edged.durable import encode, restore, sections
from edged.judge.incidents.desk import MOST_CLOSED, alerts
from edged.judge.incidents.record import LONGEST, MOST, MOST_DEEDS
from edged.vocabulary import facts
from edged.vocabulary.events import IncidentClosed, IncidentOpened, IncidentReopened
from edged.vocabulary.incidents import Book, Incident

from .world import World


class IncidentKeeper:
    """Attached to a world, it checks after each fact."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen = 0
        self.book: Book | None = None
        self.open: set[str] = set()
        self.used: set[str] = set()
        world.watchers.append(self.check)

    def check(self, world: World, fact: facts.Fact) -> None:
        self._told()
        firing = alerts(world.state).keys()
        book = world.state.incidents
        held = [(a.name, a.subject) for incident in book.open.values() for a in incident.firing]
        assert len(held) == len(set(held)), f"an alert in two incidents: {held}"
        assert set(held) == set(firing), f"{set(held) ^ set(firing)}"
        assert book.open.keys() == self.open, f"{book.open.keys()} are open, told: {self.open}"
        if book is not self.book:
            self.book = book
            self._bounded(book)
            self._kept(world)

    def _told(self) -> None:
        for at, event in self.world.told[self.seen :]:
            if isinstance(event, IncidentOpened):
                assert event.incident not in self.used, f"{event.incident} was given twice"
                assert event.detected_after >= 0.0 and at == self.world.now
                self.used.add(event.incident)
                self.open.add(event.incident)
            elif isinstance(event, IncidentReopened):
                assert event.incident in self.used - self.open
                self.open.add(event.incident)
            elif isinstance(event, IncidentClosed):
                self.open.remove(event.incident)
        self.seen = len(self.world.told)

    def _bounded(self, book: Book) -> None:
        assert len(book.closed) <= MOST_CLOSED
        for incident in (*book.open.values(), *book.closed.values()):
            assert len(incident.timeline) <= MOST and len(incident.actions) <= MOST_DEEDS
            assert all(len(line.text) <= LONGEST for line in incident.timeline)
            times = [line.at for line in incident.timeline]
            assert times == sorted(times), incident.timeline
            assert incident.began_at <= incident.opened_at
            keys = [(a.name, a.subject) for a in incident.alerts]
            assert len(keys) == len(set(keys))
        for incident in book.open.values():
            assert (incident.restored_at is None) == bool(incident.firing), incident
            assert incident.closed_at is None

    def _kept(self, world: World) -> None:
        stored = {key: encode(part) for key, part in sections(world.state).items() if key.startswith("incident")}
        again = restore(stored, world.config).incidents
        before = world.state.incidents
        assert by_id(again.open) == by_id(before.open) and by_id(again.closed) == by_id(before.closed)
        assert (again.numbers, again.changes, again.images) == (before.numbers, before.changes, before.images)

    def all_closed(self) -> None:
        assert not self.world.state.incidents.open, self.world.state.incidents.open


def by_id(incidents: dict[str, Incident]) -> list[Incident]:
    return [incidents[one] for one in sorted(incidents)]

"""The console side: what a fleet console needs, as a library. It uses nothing but the broker.

    from edged.adapters.fleet_link import FleetLink
    from edged.fleet import Command, Console, Signer

    console = Console(FleetLink(Mqtt(url="mqtts://broker.example")), Signer(key_id, sign, counter))
    console.connect(10.0)
    console.follow([results()])                       # first: nothing is missed in between
    console.survey()                                  # all that is retained, complete
    console.send(Command(str(uuid4()), "restart", "press-7", {"app": "detector"}), lifetime=300.0)
    while (news := console.pump(1.0)): ...            # changes, answers, and what the broker did not take

docs/commands.md has a whole one. Everything here is pure but ``Console``, which asks its ``Link`` and the clocks.
"""

from .answers import FINAL, Answer
from .commands import Command, next_counter
from .console import Console, NotTaken, Signer, Told
from .devices import Alert, App, Change, Device, Fleet, Meta, Status
from .link import Link
from .parcels import Damaged, Parcel
from .select import BadSelection, matches, parse_labels
from .sequence import Log, Logs
from .topics import EVERY, results
from .tracker import Tracker

__all__ = [
    "EVERY",
    "FINAL",
    "Alert",
    "Answer",
    "App",
    "BadSelection",
    "Change",
    "Command",
    "Console",
    "Damaged",
    "Device",
    "Fleet",
    "Link",
    "Log",
    "Logs",
    "Meta",
    "NotTaken",
    "Parcel",
    "Signer",
    "Status",
    "Told",
    "Tracker",
    "matches",
    "next_counter",
    "parse_labels",
    "results",
]

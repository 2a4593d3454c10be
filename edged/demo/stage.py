"""Everything that stands on the stage, put up in order and taken down in reverse, whatever happens."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from . import settings
from .client import Client
from .console import Console
from .container import MEMORY, AppContainer, StageError, engine_url, lay_slots, model_folder
from .processes import Broker, Daemon, for_anybody, free_ports, mosquitto, wait
from .timeline import Timeline

READY_WITHIN = 30.0
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Standing(ABC):
    """Puts things up in a folder of its own, and takes down whatever stood when it ends. ``with … as stage``."""

    def __init__(self, timeline: Timeline, *, keep: bool) -> None:
        self.timeline = timeline
        self._strike = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="edged-demo-"))
        if not keep:
            self._strike.callback(shutil.rmtree, self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Taking everything down is short, and half done it would leave a container behind.
        with undisturbed():
            self._strike.close()

    @abstractmethod
    def _set_up(self) -> None:
        """Puts everything up, and has each thing that stands taken down by ``_strike``."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """^C has to wait, and so has whoever else wants an end. Only the main thread is ever disturbed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stage(Standing):
    """The app, its client, the broker, the console and edged."""

    app: AppContainer
    client: Client
    console: Console
    edged: Daemon
    config: str

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def _set_up(self) -> None:
        say, strike = self.timeline.line, self._strike
        ports = dict(zip(("app", "broker", "page"), free_ports(3), strict=True))
        model, program = model_folder(), mosquitto()  # what may be missing is asked for before anything is started

        slots = lay_slots(self.state / "models" / settings.APP, model)
        self.app = AppContainer(ports["app"], model, slots)
        say("engine", f"Docker {self.app.engine} at {engine_url()}")
        strike.callback(self.app.remove)
        self.app.start()
        say("app", f"{self.app.name}: serves {model.name} (ONNX) on 127.0.0.1:{ports['app']}, memory limit {MEMORY}")

        strike.callback(Broker(program, self.folder / "broker", ports["broker"], for_anybody(ports["broker"])).end)
        self.console = Console(ports["broker"], settings.DEVICE)
        strike.callback(self.console.close)
        say("console", f"mosquitto on 127.0.0.1:{ports['broker']}, and a console that reads all of edged/v1/#")

        self.config = settings.config(
            state=self.state,
            engine=engine_url(),
            container=self.app.name,
            app=ports["app"],
            page=ports["page"],
            mqtt=settings.plain(ports["broker"]),
        )
        file = self.folder / "edged.yaml"
        file.write_text(self.config)
        self.edged = Daemon(file, self.state, ports["page"])
        strike.callback(self.edged.end)
        await_healthy(self.edged, self.app)
        say("edged", f"edged run -c {file}: sees {settings.APP} healthy")

        self.client = Client(ports["app"], model)
        strike.callback(self.client.stop)
        self.client.start()
        say("client", "asks for a score 10 times a second and checks each against the right one")

    def check_edged(self) -> None:
        """Raises ``StageError`` when it has ended: without it there is no story."""
        still_running(self.edged)


def still_running(edged: Daemon) -> None:
    if not edged.runs:
        raise StageError(f"edged ended by itself; it said:\n{edged.said()}")


def await_healthy(edged: Daemon, app: AppContainer) -> None:
    """Until edged says that the app is well and that it has its broker. Raises ``StageError``."""

    def healthy() -> bool:
        shown = edged.status()
        seen, broker = shown.get("apps", {}).get(settings.APP, {}), shown.get("broker", {})
        return (seen.get("state") == "healthy" and bool(broker.get("connected"))) or not edged.runs

    seen = wait(healthy, READY_WITHIN)
    still_running(edged)
    if not seen:
        raise StageError(
            f"edged did not see the app healthy within {READY_WITHIN:.0f} s; it said:\n{edged.said()}\n"
            f"and the app:\n{app.logs()}"
        )

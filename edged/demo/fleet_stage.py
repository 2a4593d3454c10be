"""Three devices on this machine, each with an app and an edged of its own, one broker, and who may command them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from . import settings
from .client import Client
from .console import Console
from .container import AppContainer, StageError, engine_url, lay_slots, model_folder, update_folder
from .papers import Authority, Papers, fleet_broker, have_openssl
from .processes import EDGED, Broker, Daemon, for_anybody, free_ports, mosquitto, run
from .stage import Standing, await_healthy, undisturbed

DEVICES = {"press-1": "plant-a", "press-2": "plant-a", "press-3": "plant-b"}
"""Device id -> its label ``site``."""
OPERATOR, DEPLOYER = "ops-2026", "release-2026"
"""Key ids."""
EAVESDROPPER = "eve"
BUNDLES = ("good", "crash")
T = TypeVar("T")


def together(*jobs: Callable[[], T]) -> list[T]:
    """All at a time; whatever happens, none is under way any more afterwards."""
    pool = ThreadPoolExecutor(len(jobs), "demo-fleet")
    try:
        return [one.result() for one in [pool.submit(job) for job in jobs]]
    finally:
        with undisturbed():
            pool.shutdown(wait=True, cancel_futures=True)


def verb(*arguments: str) -> str:
    """What a verb of edged that has to succeed prints. Raises ``StageError``."""
    code, said = run([*EDGED, *arguments])
    if code:
        raise StageError(f"edged {' '.join(arguments)} ended with {code}: {said}")
    return said


class Member:
    """One device: a folder, two ports, an app, its daemon, and an ear at the broker for all it says."""

    console: Console
    edged: Daemon

    def __init__(self, folder: Path, name: str, app: int, page: int) -> None:
        self.name, self.site = name, DEVICES[name]
        self.folder, self.state = folder / name, folder / name / "state"
        self.page, model = page, model_folder()
        self.app = AppContainer(app, model, lay_slots(self.state / "models" / settings.APP, model), name)
        self.client, self.port = Client(app, model), app

    def start(self, mqtt: str, trust: Path) -> None:
        file = self.folder / "edged.yaml"
        file.write_text(
            settings.config(
                state=self.state,
                engine=engine_url(),
                container=self.app.name,
                app=self.port,
                page=self.page,
                mqtt=mqtt,
                device=self.name,
                site=self.site,
                more=f'commands: {{trust: "{trust}"}}\n',
            )
        )
        self.edged = Daemon(file, self.state, self.page)

    def await_healthy(self) -> None:
        await_healthy(self.edged, self.app)


class FleetStage(Standing):
    members: list[Member]
    bundles: dict[str, Path]
    """Signed by the deployer."""
    secure: bool
    """The broker asks for certificates."""
    _url: str
    _ways: dict[str, str]
    """Of each device to the broker, as in ``mqtt:``."""
    _anna: Papers | None = None
    _eve: Papers | None = None

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def environment(self, key: str = "", *, eve: bool = False) -> Mapping[str, str]:
        """What `edged fleet` has to know: the broker, who connects, and the file of ``keys`` to sign with."""
        mine = {k: v for k, v in os.environ.items() if not k.startswith("EDGED_FLEET_")}
        mine |= {"XDG_STATE_HOME": str(self.folder / "console"), "XDG_CONFIG_HOME": str(self.folder / "console")}
        mine |= {"EDGED_FLEET_BROKER": self._url, "EDGED_FLEET_KEY": str(self.keys / key) if key else ""}
        papers = self._eve if eve else self._anna
        if papers is not None:
            shown = {"CA": papers.ca, "CERT": papers.certificate, "TLS_KEY": papers.key}
            mine |= {f"EDGED_FLEET_{name}": str(path) for name, path in shown.items()}
        return mine

    def end(self) -> list[int | None]:
        """Exit codes of the daemons."""
        return together(*(member.edged.end for member in self.members))

    def _set_up(self) -> None:
        say, program = self.timeline.line, mosquitto()
        self.secure = have_openssl()
        broker, *ports = free_ports(1 + 2 * len(DEVICES))
        self.members = [
            Member(self.folder, name, ports[2 * number], ports[2 * number + 1]) for number, name in enumerate(DEVICES)
        ]
        self._strike.callback(together, *(member.app.remove for member in self.members))
        together(self._sign, partial(self._broker, program, broker), *(member.app.start for member in self.members))
        say("broker", self._told(broker))
        for member in self.members:
            member.console = Console(broker, member.name, self._eve)
            self._strike.callback(member.console.close)
        for member in self.members:
            member.start(self._ways[member.name], self.folder / "trust.yaml")
            self._strike.callback(member.edged.end)
        together(*(member.await_healthy for member in self.members))
        say("devices", ", ".join(f"{m.name} ({m.site})" for m in self.members) + ": an edged and an app each, all well")

    def _told(self, port: int) -> str:
        if not self.secure:
            return f"mosquitto on 127.0.0.1:{port}, without certificates: openssl is missing (apt-get install openssl)"
        return f"mosquitto on 127.0.0.1:{port} with config/mosquitto: TLS, certificates by scripts/pki, access rules"

    def _broker(self, program: str, port: int) -> None:
        folder = self.folder / "broker"
        if not self.secure:
            self._url = f"mqtt://127.0.0.1:{port}"
            self._strike.callback(Broker(program, folder, port, for_anybody(port)).end)
            self._ways = dict.fromkeys(DEVICES, settings.plain(port))
            return
        self._url = f"mqtts://127.0.0.1:{port}"
        lab = Authority(self.folder / "lab")
        server = lab.server()
        self._anna, annas = lab.console("anna")
        self._eve, eves = lab.console(EAVESDROPPER)
        self._ways = {name: _way(self._url, lab.device(name)) for name in DEVICES}
        beside = self.folder / "rules"
        beside.mkdir()
        self._strike.callback(Broker(program, folder, port, fleet_broker(beside, port, server, annas + eves)).end)

    def _sign(self) -> None:
        """The operator's key and the deployer's, whom all devices trust; eve's, who took the operator's id; bundles."""
        self.keys.mkdir(mode=0o700)
        ops, release, _ = together(
            partial(self._new_key, "ops.key", OPERATOR, "operator"),
            partial(self._new_key, "release.key", DEPLOYER, "deployer"),
            partial(self._new_key, "eve.key", OPERATOR, "operator"),
        )
        (self.folder / "trust.yaml").write_text(f"keys:\n{ops}\n{release}\n")
        self.bundles = {name: self.folder / "bundles" / name for name in BUNDLES}
        for name, target in self.bundles.items():
            shutil.copytree(update_folder(name), target)
        key = str(self.keys / "release.key")
        together(*(partial(verb, "bundle", "sign", str(path), "--key", key) for path in self.bundles.values()))

    def _new_key(self, file: str, id_: str, role: str) -> str:
        """Its line for trust.yaml."""
        return verb("key", "new", str(self.keys / file), "--id", id_, "--role", role)


def _way(url: str, papers: Papers) -> str:
    return f'url: "{url}", ca_file: "{papers.ca}", cert_file: "{papers.certificate}", key_file: "{papers.key}"'

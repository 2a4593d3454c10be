"""The app that the demo breaks: a real inference service in a container that holds a model and this host's Python."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import docker
import requests
from docker.errors import DockerException
from docker.models.containers import Container

from . import inference_app

LABEL = "edged.demo"
"""On everything the demo makes; its value is the demo's process id."""
MEMORY = "200m"
MODELS = "/models"
"""Where the app sees edged's slots; ``current`` in it is the model. The image brings one too, hidden by the mount."""
SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache")
"""What Python and its libraries need of the host, read-only."""


class StageError(Exception):
    """The demo cannot go on; the text says why and what to do."""


def engine_url() -> str:
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def model_folder() -> Path:
    """The example bundle: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_models", package.parent / "models"):
        if (folder / "vibration-autoencoder" / "manifest.json").is_file():
            return folder / "vibration-autoencoder"
    raise StageError("the example model vibration-autoencoder is missing from this installation; install edged again")


def update_folder(name: str) -> Path:
    """A bundle to deploy: ``good``, ``wrong``, ``slow`` or ``crash``."""
    found = model_folder().parent / "demo-updates" / name
    if not (found / "manifest.json").is_file():
        raise StageError(f"the demo's update {found} is missing from this installation; install edged again")
    return found


def python() -> Path:
    """The interpreter itself, behind all links."""
    return Path(sys.executable).resolve()


def libraries() -> list[Path]:
    """The folders that numpy and onnxruntime are installed in."""
    found = [find_spec(name) for name in ("numpy", "onnxruntime")]
    if not all(spec is not None and spec.origin for spec in found):
        raise StageError("numpy and onnxruntime are missing; install edged again")
    return list(dict.fromkeys(Path(str(spec.origin)).parent.parent for spec in found if spec is not None))


def outermost(paths: list[Path]) -> list[Path]:
    """Those that exist and do not lie within another of them: a mount inside a read-only mount cannot be made."""
    there = [path for path in dict.fromkeys(paths) if path.exists()]
    return [path for path in there if not any(path != other and path.is_relative_to(other) for other in there)]


def lay_slots(folder: Path, model: Path) -> Path:
    """The folder that edged switches models in, with ``model`` as the current one, as whoever sets up a device does."""
    digest = hashlib.sha256((model / "manifest.json").read_bytes()).hexdigest()
    shutil.copytree(model, folder / "slots" / digest)
    (folder / "current").symlink_to(Path("slots", digest))
    return folder


def mounts(slots: Path | None) -> list[str]:
    """The same paths inside as outside."""
    folders = [*map(Path, SYSTEM), python().parent.parent, *libraries()]
    app = Path(inference_app.__file__).resolve().parent
    return [
        *(f"{path}:{path}:ro" for path in outermost(folders)),
        f"{app}:/app:ro",
        *([f"{slots}:{MODELS}:ro"] if slots is not None else []),
    ]


@contextmanager
def asked_to(doing: str) -> Iterator[None]:
    """What the engine cannot do ends the demo, in words."""
    try:
        yield
    except (DockerException, requests.RequestException) as error:
        raise StageError(f"the container engine could not {doing}: {error}") from error


class AppContainer:
    """One container and its image, both removed by ``remove``."""

    def __init__(self, port: int, model: Path, slots: Path | None, device: str = "") -> None:
        """``device``: whose it is, where there are several."""
        mine = f"{os.getpid()}-{device}" if device else f"{os.getpid()}"
        self.name, self._image = f"edged-demo-{mine}", f"edged-demo:{mine}"
        self._port, self._model, self._slots = port, model, slots
        try:
            self._client = docker.DockerClient(base_url=engine_url(), timeout=30)
            self.engine = str(self._client.version()["Version"])
        except (DockerException, requests.RequestException) as error:
            raise StageError(
                f"no container engine answers at {engine_url()}: {error}\n"
                "start one (systemctl start docker), name it in DOCKER_HOST, or let scripts/demo set one up"
            ) from error

    def start(self) -> None:
        with asked_to("start the app"):
            self._sweep()
            self._client.api.import_image_from_data(_image_tar(self._model), *self._image.split(":"))
            self._client.containers.run(
                self._image,
                [
                    str(python()),
                    "/app/inference_app.py",
                    "--port",
                    str(self._port),
                    "--model",
                    f"{MODELS}/current",
                    "--faults",
                ],
                name=self.name,
                labels={LABEL: str(os.getpid())},
                detach=True,
                network_mode="host",
                volumes=mounts(self._slots),
                environment={
                    "PYTHONPATH": os.pathsep.join(map(str, libraries())),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "ORT_DISABLE_TELEMETRY": "1",
                },
                # Not root, unless we are: then the main process can be killed from outside without the engine.
                user=f"{os.getuid()}:{os.getgid()}",
                mem_limit=MEMORY,
                memswap_limit=MEMORY,
            )

    def kill_main(self) -> int:
        """SIGKILL from the host; the engine is not asked. Returns the pid that was."""
        with asked_to("say which process the app is"):
            pid = int(self._container().attrs["State"]["Pid"])
        try:
            if pid <= 0:
                raise StageError(f"{self.name} does not run, so it cannot be killed")
            os.kill(pid, signal.SIGKILL)
        except OSError as error:
            raise StageError(f"process {pid} of {self.name} cannot be killed from here: {error}") from error
        return pid

    def stop_by_hand(self) -> None:
        """As a person would, with ``docker stop``."""
        with asked_to("stop the app"):
            self._container().stop(timeout=3)

    @property
    def status(self) -> str:
        with asked_to("say how the app is"):
            return str(self._container().status)

    @property
    def started(self) -> str:
        """When it was started last, as the engine tells it."""
        with asked_to("say since when the app runs"):
            return str(self._container().attrs["State"]["StartedAt"])

    def logs(self) -> str:
        """The last lines, for whoever has to find out what went wrong."""
        with suppress(DockerException, requests.RequestException):
            return self._container().logs(tail=20).decode(errors="replace")
        return ""

    def remove(self) -> None:
        """Container and image, whatever state they are in."""
        _remove(self._client, self.name, self._image)
        self._client.close()

    def _container(self) -> Container:
        return self._client.containers.get(self.name)

    def _sweep(self) -> None:
        """Removes what a demo that was killed with SIGKILL could not."""
        for left in self._client.containers.list(all=True, filters={"label": LABEL}):
            if not Path("/proc", left.labels[LABEL]).exists():
                _remove(self._client, str(left.id), str(left.attrs["Config"]["Image"]))


def _remove(client: docker.DockerClient, container: str, image: str) -> None:
    with suppress(DockerException, requests.RequestException):
        client.containers.get(container).remove(force=True)
    with suppress(DockerException, requests.RequestException):
        client.images.remove(image, force=True)


def _image_tar(model: Path) -> bytes:
    """All that the image holds: its model, as images with baked-in models do."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(model, f"{MODELS}/current".lstrip("/"), filter=_readable)
    return buffer.getvalue()


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Root's, and for everybody to read, whoever has this checkout."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry

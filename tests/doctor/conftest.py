"""Hosts to be examined: trees below a temporary folder, and the services of this machine where a test wants them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.doctor.patient import Patient, admit
from tests.fixtures.openssl import valid_for

Admit = Callable[..., Patient]


def nobody_answers(socket: Path) -> dict[str, Any]:
    raise AssertionError(f"{socket} was not to be asked")


@pytest.fixture
def examined(tmp_path: Path) -> Admit:
    """A patient with this configuration; folders of its own, so that this machine's daemon does not matter."""

    def make(config: dict[str, Any] | None = None, **options: Any) -> Patient:
        file = tmp_path / "edged.yaml"
        whole = {"device": {"id": "press-7"}, "state_dir": str(tmp_path / "state")} | (config or {})
        file.write_text(yaml.safe_dump(whole))
        ask = options.pop("ask", nobody_answers)
        return admit(file, ask, **{"run": tmp_path / "run", "etc": tmp_path / "etc", **options})

    return make


class Authority:
    """Signs certificates. Paths are full ones."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self.ca = str(folder / f"{name}.pem")
        self._ca_key = str(folder / f"{name}.key")
        self._serial = 100
        new = ("req", "-x509", *_NEW_KEY, "-keyout", self._ca_key, "-out", self.ca, "-subj", f"/CN={name}")
        self._openssl(*new, "-days", "400")

    def sign(self, name: str, days: int = 90, alt: str = "IP:127.0.0.1") -> tuple[str, str]:
        """Certificate and key, valid for so many days from now."""
        certificate, key = (str(self._folder / f"{name}.{kind}") for kind in ("pem", "key"))
        request, names = (self._folder / f"{name}.{kind}" for kind in ("csr", "names"))
        names.write_text(f"subjectAltName={alt}\n")
        self._openssl("req", *_NEW_KEY, "-keyout", key, "-out", str(request), "-subj", f"/CN={name}")
        self._serial += 1
        self._openssl(
            "x509", "-req", "-in", str(request), "-CA", self.ca, "-CAkey", self._ca_key, "-set_serial",
            str(self._serial), "-out", certificate, *valid_for(days), "-extfile", str(names),
        )  # fmt: skip
        return certificate, key

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))

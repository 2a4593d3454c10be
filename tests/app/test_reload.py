"""The reloader alone: what it is told by signals, and what it says."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from edged.app.daemon import Daemon
from edged.app.reload import Reloader
from edged.config.load import load

from ..fixtures.broker import until


def reloader(file: Path, said: list[str], errors: list[tuple[str, ...]]) -> Reloader:
    """Of a file that says nothing of use."""
    state = file.parent / "state"
    file.write_text(f"state_dir: {state}\n")
    loaded = load(file, {})

    def tell(wrong: tuple[str, ...]) -> str:
        errors.append(wrong)
        return "watching" if not wrong else f"not in force: {wrong[0]}"

    daemon: Any = SimpleNamespace(
        notifier=SimpleNamespace(reloading=lambda: said.append("reloading"), ready=said.append),
        inbox=SimpleNamespace(post=lambda fact: None), clock=SimpleNamespace(now=time.monotonic), said=tell,
    )  # fmt: skip
    return Reloader(file, {}, loaded, cast(Daemon, daemon))


def test_many_signals_while_one_reload_is_under_way_are_one_more(tmp_path: Path) -> None:
    said: list[str] = []
    one = reloader(tmp_path / "edged.yaml", said, [])
    (tmp_path / "edged.yaml").write_text("no: such key\n")
    begun = one.last_beat
    with one.one:  # the first one waits
        for _ in range(100):
            one.ask()
    until(lambda: len(said) >= 2 and one.last_beat > begun, what="a reload, and a sign of life")
    one.ask()
    until(lambda: one._asked.empty() and len(said) % 2 == 0 and len(said) >= 4, what="the last one")
    assert said[0] == "reloading" and said[1].startswith("not in force: ") and "no" in said[1]
    assert len(said) <= 6

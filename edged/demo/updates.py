"""New models for the app: one that is better, and three that are bad, each in a way that is found at another place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .container import update_folder
from .events import Told
from .scene import Scene
from .settings import APP
from .stage import Stage
from .verdict import Outcome

DEPLOYED_WITHIN = 45.0
ENDS = {"committed": 0, "rolled_back": 1, "refused": 3}
"""How a deployment may end here, and the exit code of ``edged deploy``."""
DIED = ("unhealthy", "gate_health", "gate_restarts")
"""Reason codes: it died before it was healthy once, or soon after."""


def good_update(stage: Stage) -> Outcome:
    return _deploy(stage, "good update", "good", "a better model", "committed", "")


def wrong_model(stage: Stage) -> Outcome:
    """Found by running its golden vectors: the app never sees it."""
    return _deploy(stage, "wrong model", "wrong", "a model whose outputs are wrong", "refused", "golden_mismatch")


def slow_model(stage: Stage) -> Outcome:
    """Found by timing it on this device."""
    return _deploy(stage, "slow model", "slow", "a model that is too slow", "refused", "latency")


def crash_model(stage: Stage) -> Outcome:
    """Nothing is wrong with it until this app loads it: only the gate can tell."""
    return _deploy(stage, "crashing model", "crash", "a model that this app dies of", "rolled_back", *DIED)


def _deploy(stage: Stage, name: str, bundle: str, injected: str, end: str, *codes: str) -> Outcome:
    """``end``: the phase that it must come to; ``codes``: one of them must be its reason code."""
    scene = Scene(stage, name, injected)
    before, folder = stage.client.model(), update_folder(bundle)
    scene.injection(f"edged deploy {APP} {folder.name}")
    with ThreadPoolExecutor(1, "demo-deploy") as pool:
        asked = pool.submit(stage.edged.command, "deploy", APP, str(folder))
        last = scene.until(_ended, DEPLOYED_WITHIN, "the end of the deployment")
        exit_code, said = asked.result()
    if last is not None:
        scene.ended = last.wall - scene.began
        scene.expect(last.data["new"] == end, f"the deployment ended {last.data['new']}: {last.data['reason']}")
        scene.expect(last.data["code"] in codes, f"for another reason: {last.data['code']}")
    scene.expect(exit_code == ENDS[end], f"edged deploy ended with {exit_code}: {said}")
    _serves(scene, before if end != "committed" else hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest())
    restarts = sum(told.type == "action.started" for told in scene.told)
    scene.expect(end != "refused" or not restarts, "the app was touched")
    scene.answers()
    found = next((one.wall - scene.began for one in scene.told if one.data.get("code")), None)
    return scene.outcome()._replace(seen=found)


def _ended(told: Told) -> bool:
    return told.type == "deployment.changed" and told.data["new"] in {*ENDS, "failed", "cancelled"}


def _serves(scene: Scene, digest: str) -> None:
    """The app itself says which model it has."""
    now = scene.stage.client.model()
    scene.expect(
        bool(digest) and now == digest, f"{APP} serves the model {now[:12] or 'none'} instead of {digest[:12]}"
    )
    if now == digest:
        scene.say("checked", f"{APP} serves the model sha256:{now[:12]}…")


UPDATES: tuple[Callable[[Stage], Outcome], ...] = (good_update, wrong_model, slow_model, crash_model)
"""In the order of the story; also that of the bundles' sequence numbers."""

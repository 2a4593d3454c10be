"""What goes wrong, one function for each. Nothing is taken on trust: what edged says is checked at the app itself."""

from __future__ import annotations

from collections.abc import Callable

from . import settings
from .client import Client
from .events import Told
from .processes import wait
from .scene import Scene
from .settings import APP
from .stage import Stage
from .updates import UPDATES
from .verdict import Outcome

ANSWERED_WITHIN = 10.0
LEAK_MB_PER_S = 8


def kill(stage: Stage) -> Outcome:
    scene = Scene(stage, "kill", "the app's process dies")
    scene.injection(f"SIGKILL to process {stage.app.kill_main()}, the container's main one")
    scene.recovered()
    return scene.outcome()


def hang(stage: Stage) -> Outcome:
    scene = Scene(stage, "hang", "the process lives on and answers nobody")
    _fault(scene, stage.client, "/fault/hang")
    scene.recovered()
    scene.expect(scene.alert("Unhealthy", "critical"), "no alert Unhealthy")
    return scene.outcome()


def leak(stage: Stage) -> Outcome:
    scene = Scene(stage, "leak", "memory grows until the kernel would kill the app")
    _fault(scene, stage.client, f"/fault/leak?mb_per_s={LEAK_MB_PER_S}")
    scene.recovered()
    for name, severity in (("MemoryLeak", "warning"), ("HighMemory", "warning"), ("HighMemory", "critical")):
        scene.expect(scene.alert(name, severity), f"no alert {name} ({severity})")

    def over(told: Told) -> bool:
        return told.type == "alert.cleared" and told.data["name"] == "HighMemory"

    if not any(map(over, scene.told)):  # it may have come before the app was healthy
        scene.until(over, 10.0, "the end of the alert")
    restarts = sum(told.type == "action.started" for told in scene.told)
    scene.expect(restarts == 1, f"restarted {restarts} times for one leak")
    scene.expect(not scene.alert("OomKilled", "critical"), "the kernel was faster")
    return scene.outcome()


def stop(stage: Stage) -> Outcome:
    """A person stops the app on purpose: reported, left alone, and started again only when asked for."""
    scene = Scene(stage, "stop", "a person stops the app on purpose")
    scene.injection(f"docker stop {stage.app.name}")
    stage.app.stop_by_hand()
    scene.until(lambda told: told.type == "app.changed" and told.data["new"] == "stopped", 10.0, "the word of the stop")
    scene.say("waits", f"{settings.STAYS_STOPPED:.0f} s: does edged leave it stopped?")
    acted = scene.until(lambda told: told.type == "action.started", settings.STAYS_STOPPED)
    left_alone = acted is None and stage.app.status == "exited"
    scene.expect(left_alone, "edged started an app that a person had stopped")
    if left_alone:
        scene.say("checked", "still stopped, nothing was done")
    _start_again(scene)
    return scene.outcome()


def _start_again(scene: Scene) -> None:
    stage = scene.stage
    scene.injection(f"edged start {APP}")
    code, said = stage.edged.command("start", APP)
    scene.expect(code == 0, f"edged start ended with {code}: {said}")
    end = scene.until(
        lambda told: told.type == "command.answered" and told.data["status"] in ("succeeded", "failed", "rejected"),
        ANSWERED_WITHIN,
        "the answer to the command",
    )
    if end is not None:
        scene.ended = end.wall - scene.began
        scene.expect(end.data["status"] == "succeeded", f"the command {end.data['status']}: {end.data['message']}")
    scene.answers()


def bad_config(stage: Stage) -> Outcome:
    """A configuration with mistakes is refused as a whole; the one before stays in force."""
    scene = Scene(stage, "bad config", "a configuration with two mistakes, then reload")
    scene.injection("memmory: for memory:, every: soon; then SIGHUP")
    stage.edged.reload(settings.spoiled(stage.config))
    refused = scene.until(lambda told: told.type == "config.refused", ANSWERED_WITHIN, "the refusal")
    if refused is not None:
        scene.expect(len(refused.data["errors"]) == 2, f"{len(refused.data['errors'])} errors told instead of 2")
        for error in refused.data["errors"]:
            scene.say("", f"  {error.strip()}")
    shown = stage.edged.status()
    app, errors = shown.get("apps", {}).get(APP, {}), shown.get("config", {}).get("errors")
    running = app.get("state") == "healthy" and bool(errors)
    scene.expect(running, "edged does not go on as before, or hides that the file is bad")
    if running:
        scene.say("checked", f"edged still watches: {APP} is healthy, and edged status shows the errors")
    scene.injection("the file is mended; SIGHUP")
    stage.edged.reload(stage.config)
    end = scene.until(lambda told: told.type == "config.reloaded", ANSWERED_WITHIN, "the reload")
    if end is not None:
        scene.ended = end.wall - scene.began
    wait(lambda: not stage.edged.status().get("config", {}).get("errors"), 2.0)
    scene.answers()
    return scene.outcome()


def _fault(scene: Scene, client: Client, path: str) -> None:
    scene.injection(f"POST {path}")
    try:
        status = client.post(path)
    except OSError as error:
        scene.fail(f"the app does not take its fault: {error}")
    else:
        scene.expect(status == 200, f"the app answered {status} to its fault")


SCENES: tuple[Callable[[Stage], Outcome], ...] = (kill, hang, leak, stop, bad_config, *UPDATES)
"""In the order of the story."""

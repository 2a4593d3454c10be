"""What was copied into a container is lost with it: the next one gets it again."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.deployments import Deployment, Kind, Request
from ..vocabulary.state import AppState
from .artifacts import placed, rules_of, wake
from .outcome import View
from .remedies import next_id

KINDS: tuple[Kind, ...] = ("model", "config")


def due(app: AppState, view: View) -> tuple[AppState, Deployment | None]:
    """The deployment that puts it in again, if one is due now."""
    container = app.container
    if container is None or not view.state.engine.up or container.status in ("removing", "restarting"):
        return app, None
    maintenance = app.kept.maintenance
    if maintenance is not None and view.now < maintenance.until:
        return app, None
    for kind in KINDS:
        rules, known = rules_of(app, kind), placed(app, kind)
        if rules is None or rules.delivery != "copy" or not known.current.digest or known.container == container.id:
            continue
        if view.now < known.again_at:
            app = wake(app, known.again_at)
            continue
        app, identity = next_id(app, view)
        request = Request(id=identity, kind=kind, source="", digest=known.current.digest, origin="edged")
        again = Deployment(request=request, began=view.now, new=known.current, again=True)
        return app, replace(again, path=rules.path, delivery=rules.delivery)
    return app, None

"""One batch of counted rows: (state, reference, batch, settings, now) -> (state, verdicts)."""

from __future__ import annotations

from operator import add, itemgetter

from msgspec import Struct
from msgspec.structs import replace

from ...vocabulary.drift import Batch, FeatureCounts, FeatureReference, Reference
from ...vocabulary.drift_packed import Packed
from ...vocabulary.drift_state import Chart, DriftState, FeatureState, packed, unpacked
from . import quality
from .changes import GAPS, Look, look_at
from .charts import advance, learn, limited, rho_of
from .correction import benjamini_hochberg
from .settings import Settings, quality_level, rows_between_alarms, window_level
from .verdict import Verdicts, judged
from .windows import NOTHING, Compared, compare, direction

Known = tuple[FeatureReference, Look]


class Levels(Struct, frozen=True):
    """What each test may contribute, at the rate of rows that is known now."""

    length: float
    """Rows between false alarms of one chart."""
    window: float
    """Probability by chance that one feature's window hits."""
    quality: float
    """Probability by chance that one quality test finds something in a window."""


def known(reference: Reference, settings: Settings) -> dict[str, Known]:
    """Every feature with the changes that are looked out for in it."""
    parts = Packed.of(reference).parts
    return {one.name: (one, look_at(part, settings.shift)) for one, part in zip(reference.features, parts, strict=True)}


def step(
    state: DriftState, reference: Reference, batch: Batch, settings: Settings, now: float
) -> tuple[DriftState, Verdicts]:
    """``now``: edged's clock. A batch closes one window at most, so windows may be longer than asked, never shorter."""
    features = known(reference, settings)
    levels = _levels(state, features, settings)
    rows = state.rows + batch.rows
    after = {}
    for name, (one, look) in features.items():
        held = state.features.get(name) or FeatureState()
        counted = batch.features.get(name)
        after[name] = _added(held, one, look, counted, now) if counted is not None else held
    state = replace(
        state,
        features=after,
        rows=rows,
        seconds=state.seconds + batch.seconds,
        timed=state.timed + (batch.rows if batch.seconds else 0),
        unknown=batch.unknown if batch.rows else state.unknown,
    )
    if rows >= settings.window:
        state = _closed(state, features, levels, settings, now)
    return state, judged(state, reference, now)


def _levels(state: DriftState, features: dict[str, Known], settings: Settings) -> Levels:
    charts = sum(len(look) for _, look in features.values())
    return Levels(
        rows_between_alarms(settings, state.rate, max(1, charts)),
        window_level(settings, state.rate, max(1, len(features))),
        quality_level(settings, state.rate, 2 * len(features)),
    )


def _charts(held: FeatureState, look: Look) -> tuple[Chart, ...]:
    charts = unpacked(held.sums)
    # A new feature, or charts of another version of edged.
    return charts if len(charts) == len(look) else (Chart(),) * len(look)


def _added(held: FeatureState, one: FeatureReference, look: Look, counted: FeatureCounts, now: float) -> FeatureState:
    moved = [
        (change, *advance(change, chart, counted.runs))
        for change, chart in zip(look, _charts(held, look), strict=True)
    ]  # fmt: skip
    held = replace(
        held,
        sums=packed(chart for _, chart, _, _ in moved),
        counts=tuple(map(add, held.counts, counted.counts)) if held.counts else counted.counts,
        missing=held.missing + counted.missing,
        outside=held.outside + counted.outside,
        infinite=held.infinite + counted.infinite,
        longest_run=max(held.longest_run, counted.longest_run),
    )
    if any(rows for change, _, rows, _ in moved if change.place == GAPS):
        held = replace(held, problems={"missing": now} | held.problems)
    shifts = [(evidence, rows, change) for change, _, rows, evidence in moved if change.place != GAPS]
    if rows := max((rows for _, rows, _ in shifts), default=0):
        if held.drifted_since is None:
            # The chart that fired first need not be the one that was made for the change.
            seems = max(shifts, key=itemgetter(0))[2].direction(one)
            held = replace(held, drifted_since=now, why=f"{seems} within {rows} rows", direction=seems)
        # A new sign, even of something known: the windows get their say anew before it is over.
        held = replace(held, hits=held.hits | 1)
    return held


def _closed(
    state: DriftState, features: dict[str, Known], levels: Levels, settings: Settings, now: float
) -> DriftState:
    """The end of a window: every test that wants one, then all is learnt from it that there is to learn."""
    rate = state.timed / state.seconds if state.seconds > 0.0 else 0.0
    usual = quality.usual_rate(state.rate, rate, state.windows)
    learnt = {
        name: tuple(
            learn(change, chart, one, state.windows)
            for change, chart in zip(look, _charts(state.features[name], look), strict=True)
        )
        for name, (one, look) in features.items()
    }
    found = {
        name: compare(state.features[name].counts, one, learnt[name]) if state.features[name].counts else NOTHING
        for name, (one, _) in features.items()
    }
    hits = benjamini_hochberg([compared.p for compared in found.values()], levels.window * len(features))
    levels = _levels(replace(state, rate=usual), features, settings)
    after = {}
    for (name, (one, look)), hit in zip(features.items(), hits, strict=True):
        charts = tuple(
            limited(change, chart, one, levels.length, state.windows, settings.window)
            for change, chart in zip(look, learnt[name], strict=True)
        )
        held = replace(state.features[name], sums=packed(charts))
        held = _confirmed(held, one, found[name], hit and found[name].excess >= settings.least, settings, now)
        rho = max(map(rho_of, charts[:2]), default=one.autocorrelation)
        after[name] = _examined(held, one, rho, state.rows, levels, settings, now)
    strange = quality.other_rate(rate, state.rate)
    problems = {what: since for what, since in state.problems.items() if what == strange}
    if strange:
        problems = {strange: now} | problems
    return replace(
        state, features=after, rows=0, seconds=0.0, timed=0, windows=state.windows + 1, rate=usual, problems=problems
    )


def _confirmed(
    held: FeatureState, one: FeatureReference, compared: Compared, hit: bool, settings: Settings, now: float
) -> FeatureState:
    """Drift begins when ``persistent`` of the last ``of`` windows hit, and ends when none of them did."""
    if compared is NOTHING:
        return replace(held, p=compared.p, excess=compared.excess)  # no values, no verdict: what drifts goes on
    mask = (1 << settings.of) - 1
    # The lowest bit is this window's while it runs: an alarm of a chart has set it.
    hits = (held.hits | hit) & mask
    held = replace(held, p=compared.p, excess=compared.excess)
    if held.drifted_since is None and hit and hits.bit_count() >= settings.persistent:
        why = f"another distribution in {hits.bit_count()} of the last {settings.of} windows"
        held = replace(held, drifted_since=now, why=why, direction=direction(held.counts, one))
    elif hit and hits & 2 and held.drifted_since is not None:
        # A whole window tells better than the first chart to fire; not one that the change came in the middle of.
        held = replace(held, direction=direction(held.counts, one))
    elif held.drifted_since is not None and not hits:
        held = replace(held, drifted_since=None, why="", direction="")
    return replace(held, hits=(hits << 1) & mask)


def _examined(
    held: FeatureState, one: FeatureReference, rho: float, rows: int, levels: Levels, settings: Settings, now: float
) -> FeatureState:
    still = quality.stuck_after(one, rho, levels.quality, settings.window)
    wrong = {
        "missing": "missing" in held.problems and quality.missing(one, held, rows),
        "outside": quality.outside(one, held, rho, levels.quality),
        "infinite": held.infinite > 0,
        "stuck": bool(still) and held.longest_run >= still,
        "absent": rows > 0 and held.missing == rows and one.missing < 1.0,
    }
    return replace(
        held,
        problems={what: held.problems.get(what, now) for what, so in wrong.items() if so},
        window=held.counts,
        missing_ratio=held.missing / rows if rows else 0.0,
        counts=(),
        missing=0,
        outside=0,
        infinite=0,
        longest_run=0,
    )

"""A review for terminals and mails, and as Markdown. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from textwrap import wrap

from .document import Chart, Document, Table

BARS = " ▁▂▃▄▅▆▇█"
WIDTH = 56
"""Characters of a chart."""
LINE, NARROWEST = 118, 16
"""Characters of a line, and of a column below which none is made narrower."""
_ACTIVE = re.compile(r"([\\`*_\[\]<>|#])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def text(d: Document) -> str:
    verdict = "OK" if d.verdict == "ok" else "ATTENTION"
    out = [d.title, f"{verdict}: {d.lead}", ""]
    for section in d.sections:
        out += [section.title.upper(), ""]
        charts = [part for part in section.parts if isinstance(part, Chart)]
        for part in section.parts:
            if isinstance(part, str):
                out += [f"  {_clean(part)}"]
            elif isinstance(part, Table):
                out += _columns(part)
        if charts:
            width = max(len(chart.title) for chart in charts)
            out += ["", *(f"  {_clean(chart.title):{width}}  {_bars(chart)}" for chart in charts)]
        out.append("")
    return "\n".join(out)


def markdown(d: Document) -> str:
    verdict = "OK" if d.verdict == "ok" else "ATTENTION"
    out = [f"# {_safe(d.title)}", "", f"**{verdict}**: {d.lead}", ""]
    for section in d.sections:
        out += [f"## {section.title}", ""]
        for part in section.parts:
            if isinstance(part, str):
                out += [_safe(part), ""]
            elif isinstance(part, Table):
                rows = [part.head, ("---",) * len(part.head)]
                out += ["| " + " | ".join(row) + " |" for row in rows]
                out += ["| " + " | ".join(map(_safe, row)) + " |" for row in part.rows]
                out += [*([f"\nand {part.left_out} more"] if part.left_out else []), ""]
            else:
                out += [f"`{_bars(part)}` {_safe(part.title)}", ""]
    return "\n".join(out)


def _columns(table: Table) -> list[str]:
    rows = [table.head, *(tuple(_clean(cell) for cell in row) for row in table.rows)]
    widths = _bounded([max(len(row[i]) for row in rows) for i in range(len(table.head))])
    lines = []
    for row in rows:
        cells = [wrap(cell, width, break_on_hyphens=False) for cell, width in zip(row, widths, strict=True)]
        for line in zip_longest(*cells, fillvalue=""):
            lines.append("  " + "  ".join(f"{c:{w}}" for c, w in zip(line, widths, strict=True)).rstrip())
    return [*lines, *([f"  and {table.left_out} more"] if table.left_out else [])]


def _bounded(widths: list[int]) -> list[int]:
    """The widest columns give way, so that a line stays a line; what does not fit goes on in the next one."""
    while sum(widths) + 2 * len(widths) > LINE and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return [max(1, width) for width in widths]


def _bars(chart: Chart) -> str:
    """Highest values, each column's share of the top; and the scale."""
    values = [high for _, _, high in chart.points]
    thin = [max(part) for part in _parts(values, min(WIDTH, len(values)))]
    top = max([*thin, 1e-12])
    drawn = "".join(BARS[min(8, max(0, round(8 * value / top)))] for value in thin)
    shown = f"{top:.0%}" if chart.unit == "share" else f"{top:.3g} s"
    return f"{drawn} up to {shown}"


def _parts(values: Sequence[float], count: int) -> list[Sequence[float]]:
    return [values[len(values) * i // count : len(values) * (i + 1) // count] for i in range(count)]


def _clean(text: str) -> str:
    """What comes from elsewhere must not steer a terminal."""
    return _CONTROL.sub(" ", text)


def _safe(text: str) -> str:
    return _ACTIVE.sub(r"\\\1", _clean(text))

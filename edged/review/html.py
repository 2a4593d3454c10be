"""A review as one HTML file: no script, nothing from elsewhere, charts as inline SVG. Pure."""

from __future__ import annotations

from ..config.units import format_duration
from ..report.web.markup import Html, el, join
from .document import Chart, Document, Section, Table

WIDTH, HEIGHT, LEFT = 560, 120, 44
STYLE = """:root{color-scheme:light dark;--bg:#fff;--ink:#1b1f24;--soft:#545b64;--edge:#d5d9de;--ok:#156b31;
--bad:#b31919;--line:#3566a8;--band:#3566a833}
@media(prefers-color-scheme:dark){:root{--bg:#0f1317;--ink:#e8ebef;--soft:#a7b0ba;--edge:#353c45;--ok:#5ecb7c;
--bad:#ff857c;--line:#7fb0ee;--band:#7fb0ee33}}
body{margin:0 auto;max-width:72rem;padding:1rem;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
.ok,.attention{font-weight:600;font-size:1.1rem}.ok{color:var(--ok)}.attention{color:var(--bad)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.93rem;overflow-wrap:normal}
th,td{text-align:left;vertical-align:top;padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--edge)}
th{color:var(--soft);font-weight:600}
.charts{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(24rem,100%),1fr))}
figure{margin:.75rem 0 0}figcaption{font-size:.9rem;color:var(--soft)}svg{width:100%;height:auto}
.line{fill:none;stroke:var(--line);stroke-width:1.5}.band{fill:var(--band)}.axis{stroke:var(--edge)}
.limit{stroke:var(--bad);stroke-dasharray:4 3}text{fill:var(--soft);font:11px system-ui,sans-serif}
@media print{:root{color-scheme:light}h2{break-after:avoid}figure,tr{break-inside:avoid}}"""


def html(d: Document) -> str:
    verdict = "OK" if d.verdict == "ok" else "ATTENTION"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"edged: {d.title}"),
        Html(f"<style>{STYLE}</style>"),
    )
    body = el(
        "body",
        el(
            "main",
            el("h1", d.title),
            el("p", f"{verdict}: {d.lead}", class_=d.verdict),
            *(_section(section) for section in d.sections),
        ),
    )
    return "<!doctype html>\n" + el("html", head, body, lang="en") + "\n"


def _section(section: Section) -> Html:
    charts = [_chart(part) for part in section.parts if isinstance(part, Chart)]
    return el(
        "section",
        el("h2", section.title),
        *(_part(part) for part in section.parts if not isinstance(part, Chart)),
        el("div", *charts, class_="charts") if charts else None,
    )


def _part(part: str | Table) -> Html:
    if isinstance(part, str):
        return el("p", part)
    head = el("tr", *(el("th", name, scope="col") for name in part.head))
    rows = [el("tr", *(el("td", cell) for cell in row)) for row in part.rows]
    table = el("table", el("thead", head), el("tbody", *rows))
    more = el("p", f"and {part.left_out} more") if part.left_out else None
    return join(el("div", table, class_="scroll", tabindex=0, role="region", aria_label="table"), more)


def _chart(chart: Chart) -> Html:
    first, last = chart.points[0][0], chart.points[-1][0]
    seen = [*(high for _, _, high in chart.points), chart.limit or 0.0]
    top = max(seen) or 1.0
    long = max(1.0, last - first)

    def x(at: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - 4) * (at - first) / long:.1f}"

    def y(value: float) -> str:
        return f"{HEIGHT - 18 - (HEIGHT - 26) * max(0.0, value) / top:.1f}"

    mean = "M" + "L".join(f"{x(at)} {y(value)}" for at, value, _ in chart.points)
    upper = "L".join(f"{x(at)} {y(high)}" for at, _, high in chart.points)
    lower = "L".join(f"{x(at)} {y(value)}" for at, value, _ in reversed(chart.points))
    shown = f"{top:.0%}" if chart.unit == "share" else f"{top:.3g} s"
    now = chart.points[-1][1]
    words = f"{chart.title}: highest {_said(max(h for _, _, h in chart.points), chart)}, now {_said(now, chart)}"
    limit = None
    if chart.limit is not None:
        limit = _line(str(LEFT), y(chart.limit), str(WIDTH - 4), y(chart.limit), "limit")
    drawing = el(
        "svg",
        _line(str(LEFT), y(0.0), str(WIDTH - 4), y(0.0), "axis"),
        _path(f"M{upper}L{lower}Z", "band"),
        _path(mean, "line"),
        limit,
        el("text", shown, x=2, y=12),
        el("text", "0", x=2, y=HEIGHT - 18),
        el("text", f"{format_duration(float(round(long)))} ago", x=LEFT, y=HEIGHT - 3),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=words,
    )
    return el("figure", drawing, el("figcaption", words))


def _line(x1: str, y1: str, x2: str, y2: str, kind: str) -> Html:
    return _path(f"M{x1} {y1}L{x2} {y2}", kind)


def _path(d: str, kind: str) -> Html:
    """Closed: what follows an open one would be inside of it, where nothing is drawn."""
    return Html(f'<path d="{d}" class="{kind}"/>')


def _said(value: float, chart: Chart) -> str:
    return f"{value:.0%}" if chart.unit == "share" else f"{value:.3g} s"

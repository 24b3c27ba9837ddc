"""Drawings as inline SVG, in the colours of the page; each says in words what it shows."""

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from markupsafe import Markup

Point = tuple[float, float]
WIDTH, HEIGHT = 420, 260  # as a phone is wide, so that text of 12 keeps its size there
LEFT, RIGHT, TOP, BOTTOM = 84, 14, 12, 42  # at the left, numbers beside the name of the axis
COLOURS = 8  # classes c0 .. c7 of the style
POINTS = 120  # of a line, at most
LETTER = 6.4  # width, about


def ticks(low: float, high: float, number: int = 5, least: float = 0) -> list[float]:
    """Return round numbers within low .. high, `least` or more apart."""
    if high <= low:
        return [low]
    raw = max((high - low) / number, least)
    size = 10 ** floor(log10(raw))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= raw * 0.999)
    return [round(step * n, 12) for n in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """Return a number as short as an axis wants it."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


class Frame:
    """Axes of a drawing, and where values lie on them."""

    def __init__(
        self, x: Point, y: Point, names: tuple[str, str], height: int = HEIGHT, log: bool = False, ticked: bool = True
    ):
        self.log, self.height, self.ticked = log, height, ticked
        self.x, self.y = (self._plain(x[0]), self._plain(x[1])), y
        self.parts = [self._axes(names)]

    def _plain(self, value: float) -> float:
        return log10(value) if self.log else value

    def across(self, value: float) -> float:
        span = (self.x[1] - self.x[0]) or 1
        return round(LEFT + (self._plain(value) - self.x[0]) / span * (WIDTH - LEFT - RIGHT), 1)

    def up(self, value: float) -> float:
        span = (self.y[1] - self.y[0]) or 1
        return round(self.height - BOTTOM - (value - self.y[0]) / span * (self.height - TOP - BOTTOM), 1)

    def _axes(self, names: tuple[str, str]) -> str:
        lines = []
        for tick in ticks(*self.y):
            y = self.up(tick)
            lines.append(f'<path class="g" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
            lines.append(f'<text x="{LEFT - 6}" y="{y + 4}" class="e">{number(tick)}</text>')
        decades = [10.0**n for n in range(floor(self.x[0]), ceil(self.x[1]) + 1)]
        for tick in (decades if self.log else ticks(*self.x, 6, least=1)) if self.ticked else []:
            if LEFT - 1 <= (x := self.across(tick)) <= WIDTH - RIGHT + 1:
                lines.append(f'<text x="{x}" y="{self.height - BOTTOM + 16}" class="m">{number(tick)}</text>')
        foot = self.height - 8
        lines.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{foot}" class="m">{escape(names[0])}</text>')
        lines.append(f'<text x="12" y="{(self.height - BOTTOM) / 2}" class="m v">{escape(names[1])}</text>')
        return "".join(lines)

    def markup(self, title: str) -> Markup:
        return svg("".join(self.parts), title, self.height)


def svg(body: str, title: str, height: int = HEIGHT, width: int = WIDTH) -> Markup:
    """Return a drawing; a screen reader reads its title."""
    title = escape(title, quote=True)
    return Markup(f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}">{body}</svg>')


def legend(names: Sequence[str]) -> Markup:
    items = "".join(f'<li class="c{n % COLOURS}">{escape(name)}</li>' for n, name in enumerate(names))
    return Markup(f'<ul class="legend">{items}</ul>')


def span(values: Sequence[float], zero: bool = False) -> Point:
    """Return the range of values with a margin; with `zero` from 0 on."""
    low, high = min(values), max(values)
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return (0.0 if zero and low >= 0 else low - margin), high + margin


def lines(series: dict[str, list[Point]], names: tuple[str, str], title: str, zero: bool = False) -> Markup:
    """Return lines of one x axis, with a legend where there are several; "" where there is no point."""
    series = {name: points for name, points in series.items() if points}
    points = [point for line in series.values() for point in line]
    if not points:
        return Markup("")
    xs = [x for x, _ in points]
    frame = Frame((min(xs), max(xs)), span([y for _, y in points], zero), names)
    for place, line in enumerate(series.values()):
        kept = line[:: ceil(len(line) / POINTS)]
        way = " ".join(f"{frame.across(x)},{frame.up(y)}" for x, y in kept)
        frame.parts.append(f'<polyline class="l c{place % COLOURS}" points="{way}"/>')
        if len(kept) < 30:
            dots = "".join(f'<circle cx="{frame.across(x)}" cy="{frame.up(y)}" r="3"/>' for x, y in kept)
            frame.parts.append(f'<g class="d c{place % COLOURS}">{dots}</g>')
    ends = "; ".join(f"{name}: {number(line[0][1])} to {number(line[-1][1])}" for name, line in series.items())
    drawn = frame.markup(f"{title}. {ends}")
    return drawn + legend(list(series)) if len(series) > 1 else drawn


def bars(values: dict[str, dict[str, float]], names: tuple[str, str], title: str) -> Markup:
    """Return groups of bars: by label on the x axis, then by series."""
    series = list(next(iter(values.values())))
    high = max(max(group.values()) for group in values.values()) or 1.0
    frame = Frame((0, len(values)), (0.0, high * 1.05), names, ticked=False)
    body, width = [], (WIDTH - LEFT - RIGHT) / len(values)
    for place, (label, group) in enumerate(values.items()):
        for n, value in enumerate(group.values()):
            x, wide = LEFT + place * width + width * (0.1 + 0.8 * n / len(series)), width * 0.8 / len(series)
            y = frame.up(value)
            tall = frame.height - BOTTOM - y
            body.append(f'<rect class="b c{n % COLOURS}" x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{tall:.1f}"/>')
        middle = LEFT + (place + 0.5) * width
        body.append(f'<text x="{middle:.1f}" y="{frame.height - BOTTOM + 16}" class="m">{escape(label)}</text>')
    frame.parts += body
    drawn = frame.markup(title)
    return drawn + legend(series) if len(series) > 1 else drawn


def intervals(rows: list[tuple[str, float, float | None, float | None]], name: str, title: str) -> Markup:
    """Return a dot for each row (label, mean, low, high) with its interval, one below the other."""
    known = [v for _, mean, low, high in rows for v in (mean, low, high) if v is not None]
    low, high = span(known, zero=True)
    left, step = 190, 22
    height = step * len(rows) + BOTTOM

    def across(value: float) -> float:
        return round(left + (value - low) / (high - low) * (WIDTH - left - RIGHT), 1)

    body = [f'<path class="g" d="M{across(t)} 0V{height - BOTTOM + 4}"/>' for t in ticks(low, high)]
    body += [f'<text x="{across(t)}" y="{height - BOTTOM + 18}" class="m">{number(t)}</text>' for t in ticks(low, high)]
    for place, (label, mean, below, above) in enumerate(rows):
        y = step * place + step / 2
        body.append(f'<text x="{left - 8}" y="{y + 4}" class="e">{escape(label)}</text>')
        if below is not None and above is not None:
            body.append(f'<path class="l c0" d="M{across(below)} {y}H{across(above)}"/>')
        body.append(f'<g class="d c0"><circle cx="{across(mean)}" cy="{y}" r="4"/></g>')
    body.append(f'<text x="{(left + WIDTH - RIGHT) / 2}" y="{height - 6}" class="m">{escape(name)}</text>')
    return svg("".join(body), f"{title}. " + "; ".join(f"{label} {number(mean)}" for label, mean, *_ in rows), height)


def scatter(points: list[tuple[str, float, float, bool]], names: tuple[str, str], title: str) -> Markup:
    """Return points (name, x, y, whether it stands out and is named) over a logarithmic x axis."""
    points = [(name, max(x, 1e-3), y, best) for name, x, y, best in sorted(points, key=lambda point: point[1])]
    xs, ys = [x for _, x, _, _ in points], [y for *_, y, _ in points]
    frame = Frame((min(xs) / 1.6, max(xs) * 1.6), span(ys, zero=True), names, HEIGHT + 60, log=True)
    front = " ".join(f"{frame.across(x)},{frame.up(y)}" for _, x, y, best in points if best)
    frame.parts.append(f'<polyline class="l c0" stroke-dasharray="4 4" points="{front}"/>')
    taken: list[tuple[float, float, float]] = []
    for name, x, y, best in points:
        dot = f'<circle cx="{frame.across(x)}" cy="{frame.up(y)}" r="{5 if best else 4}"/>'
        frame.parts.append(f'<g class="d c{0 if best else 7}"><title>{escape(name)}</title>{dot}</g>')
        if best:
            frame.parts.append(_label(name, frame.across(x), frame.up(y), taken))
    return frame.markup(f"{title}. On the front: " + ", ".join(name for name, *_, best in points if best))


def _label(name: str, x: float, y: float, taken: list[tuple[float, float, float]]) -> str:
    """Return a name beside a point, at the first height where it covers none of those set (left, right, y)."""
    wide, left = LETTER * len(name), x > WIDTH * 0.6
    start, end = (x - 8 - wide, x - 8) if left else (x + 8, x + 8 + wide)
    shifts = (-7, 15, -20, 28, -33, 41, -46, 54)
    free = (y + s for s in shifts if not any(a < end and b > start and abs(h - y - s) < 12 for a, b, h in taken))
    height = next(free, y - 7)
    taken.append((start, end, height))
    return f'<text x="{end if left else start}" y="{height}" class="{"e" if left else "s"}">{escape(name)}</text>'


def cliques(rows: list[tuple[str, float]], alike: list[tuple[int, int]], name: str, title: str) -> Markup:
    """Return rows (label, value), one below the other, and a bar beside each run (first, last) of rows alike."""
    low, high = span([value for _, value in rows], zero=True)
    left, step, right = 190, 22, WIDTH - 20 - 12 * len(alike)
    height = step * len(rows) + BOTTOM

    def across(value: float) -> float:
        return round(left + (value - low) / (high - low) * (right - left), 1)

    body = [f'<path class="g" d="M{across(t)} 0V{height - BOTTOM + 4}"/>' for t in ticks(low, high)]
    body += [f'<text x="{across(t)}" y="{height - BOTTOM + 18}" class="m">{number(t)}</text>' for t in ticks(low, high)]
    for place, (label, value) in enumerate(rows):
        y = step * place + step / 2
        body.append(f'<text x="{left - 8}" y="{y + 4}" class="e">{escape(label)}</text>')
        body.append(f'<path class="g" d="M{left} {y}H{WIDTH - RIGHT}"/>')
        body.append(f'<g class="d c0"><circle cx="{across(value)}" cy="{y}" r="4"/></g>')
    for n, (first, last) in enumerate(alike):
        body.append(f'<path class="thick" d="M{right + 20 + 12 * n} {step * first + 5}V{step * (last + 1) - 5}"/>')
    body.append(f'<text x="{(left + right) / 2}" y="{height - 6}" class="m">{escape(name)}</text>')
    runs = "; ".join(f"{rows[a][0]} to {rows[b][0]}" for a, b in alike) or "none"
    return svg("".join(body), f"{title}. No difference beyond chance within: {runs}", height)

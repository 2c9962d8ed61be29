"""The chart: CPU time per token of each contender, as an SVG with its own background, light or dark."""

import math
from xml.sax.saxutils import escape

from .contenders import OURS
from .report import by_time, headline, versions
from .results import Results, number

_WIDTH, _TOP, _STEP, _BAR = 860, 78, 26, 18
_LEFT, _RIGHT = 300, 70
_STYLE = """
.panel { fill: #ffffff; stroke: #d0d7de }
text { fill: #1f2328; font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
.title { font-size: 16px; font-weight: 600 }
.small { fill: #59636e; font-size: 12px }
.grid { stroke: #d0d7de }
.ours { fill: #1a7f37 }
.floor { fill: #afb8c1 }
.other { fill: #6e7f96 }
.bold { font-weight: 600 }
@media (prefers-color-scheme: dark) {
.panel { fill: #0d1117; stroke: #3d444d }
text { fill: #f0f6fc }
.small { fill: #9198a1 }
.grid { stroke: #3d444d }
.ours { fill: #3fb950 }
.floor { fill: #656c76 }
.other { fill: #9db1cc }
}
"""


def chart(results: Results) -> str:
    """Draw the medians on a logarithmic scale: each grid line is ten times the one before."""
    names = by_time(results)
    medians = [results.median(name) for name in names]
    first = math.floor(math.log10(min(medians, default=1)))
    last = max(first + 1, math.ceil(math.log10(max(medians, default=10))))
    height = _TOP + _STEP * len(names) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="CPU time per token of each contender">',
        f"<style>{_STYLE}</style>",
        f'<rect class="panel" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="8"/>',
        '<text class="title" x="20" y="30">CPU time per token of a streamed answer</text>',
        f'<text class="small" x="20" y="50">microseconds, logarithmic, less is better; a stream of '
        f"{results.about['tokens']:,} tokens; {escape(headline(results))}</text>",
    ]
    scale = (_WIDTH - _LEFT - _RIGHT) / (last - first)
    parts += _grid(first, last, scale, height)
    for place, (name, value) in enumerate(zip(names, medians)):
        width = max(2.0, (math.log10(value) - first) * scale)
        parts += _bar(name, versions(results, name), value, width, _TOP + _STEP * place)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _grid(first: int, last: int, scale: float, height: int) -> list[str]:
    lines = []
    for power in range(first, last + 1):
        x = _LEFT + (power - first) * scale
        lines.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 10}" x2="{x:.1f}" y2="{height - 30}"/>')
        lines.append(
            f'<text class="small" x="{x:.1f}" y="{height - 14}" text-anchor="middle">{number(10.0 ** power)} µs</text>'
        )
    return lines


def _bar(name: str, label: str, value: float, width: float, y: int) -> list[str]:
    kind = "ours" if name in OURS else "floor" if name.startswith("floor") else "other"
    weight = ' class="bold"' if kind == "ours" else ""
    middle = y + _BAR - 5
    return [
        f'<text{weight} x="{_LEFT - 10}" y="{middle}" text-anchor="end">{escape(label)}</text>',
        f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>',
        f'<text x="{_LEFT + width + 8:.1f}" y="{middle}">{number(value)}</text>',
    ]

"""Draws small charts as SVG: bars of rates, and lines of what a unit costs as things grow."""

from collections.abc import Mapping
from html import escape

WIDTH, BAR, GAP, LABEL = 640, 22, 8, 190
OURS, THEIRS, INK = "#1f6f78", "#b9c4c9", "#333"
TEXT = f'font-family="sans-serif" font-size="12" fill="{INK}"'


def bars(title: str, values: Mapping[str, float]) -> str:
    """Draw one bar a contender, the first in our colour, each with its value."""
    largest = max(values.values()) or 1.0
    parts = []
    for place, (name, value) in enumerate(values.items()):
        top = 30 + place * (BAR + GAP)
        length = max(1, round((WIDTH - LABEL - 110) * value / largest))
        colour = THEIRS if place else OURS
        parts += [
            f'<text x="{LABEL - 8}" y="{top + 15}" text-anchor="end" {TEXT}>{escape(name.replace("_", " "))}</text>',
            f'<rect x="{LABEL}" y="{top}" width="{length}" height="{BAR}" fill="{colour}"/>',
            f'<text x="{LABEL + length + 6}" y="{top + 15}" {TEXT}>{value:,.1f}</text>',
        ]
    return drawing(title, 30 + len(values) * (BAR + GAP), parts)


def growth(title: str, values: Mapping[str, float], *, at_most: float) -> str:
    """Draw what a unit costs at each size, equally far apart, and how far it may rise over the first."""
    height, left, right = 180, 60, WIDTH - 60
    limit = next(iter(values.values())) * at_most
    scale = 120 / max(limit, *values.values())
    step = (right - left) / max(1, len(values) - 1)
    points = [(left + step * place, 150 - scale * value) for place, value in enumerate(values.values())]
    line = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    bound = 150 - scale * limit
    parts = [
        f'<line x1="{left}" y1="{bound:.0f}" x2="{right}" y2="{bound:.0f}" stroke="{THEIRS}" stroke-dasharray="4"/>',
        f'<text x="{right}" y="{bound - 4:.0f}" text-anchor="end" {TEXT}>{at_most} times the first</text>',
        f'<polyline points="{line}" fill="none" stroke="{OURS}" stroke-width="2"/>',
    ]
    for (name, value), (x, y) in zip(values.items(), points, strict=True):
        parts += [
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="{OURS}"/>',
            f'<text x="{x:.0f}" y="{y - 9:.0f}" text-anchor="middle" {TEXT}>{value:,.0f}</text>',
            f'<text x="{x:.0f}" y="170" text-anchor="middle" {TEXT}>{escape(name)}</text>',
        ]
    return drawing(title, height, parts)


def drawing(title: str, height: int, parts: list[str]) -> str:
    """Frame the parts of a chart under its title."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" role="img">'
    heading = f'<title>{escape(title)}</title><text x="4" y="16" {TEXT} font-weight="bold">{escape(title)}</text>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', heading, *parts, "</svg>"]) + "\n"

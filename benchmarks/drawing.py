"""Drawings as SVG: the picture of docs/performance.md, and that of the dashboard."""

from collections.abc import Iterable
from html import escape


class Drawing:
    """Texts, boxes and lines, in pixels from the top left."""

    def __init__(self, width: float, background: str = "#fff") -> None:
        self._width, self._background = width, background
        self._parts: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 12,
        colour: str = "#000",
        anchor: str = "start",
        is_bold: bool = False,
    ) -> None:
        """`text` on the base line `y`, beginning at `x`, or ending there (anchor "end")."""
        weight = ' font-weight="bold"' if is_bold else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>'
            f"{escape(text)}</text>"
        )

    def box(self, x: float, y: float, width: float, height: float, fill: str, stroke: str = "none") -> None:
        """A rectangle whose top left corner is (`x`, `y`)."""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" stroke="{stroke}"/>'
        )

    def line(self, points: Iterable[tuple[float, float]], colour: str, width: float = 1) -> None:
        """From point to point."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def svg(self, height: float) -> str:
        """The whole file."""
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self._width} {height}" '
                'font-family="sans-serif">',
                f'<rect width="{self._width}" height="{height}" fill="{self._background}"/>',
                *self._parts,
                "</svg>",
                "",
            ]
        )

"""Pictures for pages: an Altair chart becomes SVG text that takes its colours and letters from the page.

Lives here: the look that all pictures share. What a picture shows is said where it is drawn. Altair takes a second to
import, so this module is imported where a picture is drawn, not before.
"""

from __future__ import annotations

import re
from typing import Any
from zlib import crc32

import vl_convert
from markupsafe import Markup, escape

WIDTH = 440
"""Of a picture with its labels, in pixels: half a page, or all of a phone."""

BUCKETS = {name: f"var(--{name})" for name in ("created", "updated", "unchanged", "skipped", "held", "failed")}
"""Colour per bucket; the page has the values, for light and for dark."""

_FONT = "system-ui, sans-serif"
_LOOK: dict[str, Any] = {
    "background": "transparent",
    "autosize": {"type": "fit", "contains": "padding"},
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "titleFontWeight": "normal",
        "gridColor": "var(--grid)",
        "domain": False,
        "ticks": False,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "labelPadding": 6,
    },
    "legend": {
        "labelColor": "var(--text)",
        "labelFontSize": 12,
        "orient": "bottom",
        "title": None,
        "symbolType": "square",
        "columnPadding": 14,
        "columns": 3,
        "labelLimit": 0,
    },
    "text": {"color": "var(--text)", "fontSize": 12, "font": _FONT},
    "rule": {"color": "var(--text)"},
}


def svg(chart: Any, description: str) -> Markup:
    """The chart as inline SVG, with `description` for whoever cannot see it. Colours may be any of CSS."""
    drawn = vl_convert.vegalite_to_svg(chart.to_dict() | {"config": _LOOK})
    # one image with one description: what Vega says about each bar is noise to a screen reader
    drawn = re.sub(r' (?:aria-[a-z]+|role)="[^"]*"', "", drawn)
    # several pictures share a page, and so the names in it
    own = f"p{crc32(drawn.encode()):x}-"
    drawn = drawn.replace('id="', f'id="{own}').replace("url(#", f"url(#{own}")
    return Markup(drawn.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1))

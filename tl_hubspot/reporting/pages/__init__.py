"""Pages of HTML that need nothing but themselves: no network, no JavaScript; light and dark, readable on a phone.

Lives here: the look (`page.css`), the frame (`base.html.j2`), the parts that pages share (`parts.html.j2`), rendering,
storing. A page is a template that extends the frame; what stands on it is computed by whoever renders it. Pictures for
pages are drawn in `pictures`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from tl_hubspot.errors import ConfigurationError


def render(template: str, **values: Any) -> str:
    """The page of that template, a file in this folder; text in `values` is escaped, Markup is not.

    Every page needs `title`; a value that a template wants and does not get is an error.
    """
    return _environment().get_template(template).render(**values)


def write(path: Path, html: str) -> Path:
    """Store a page, readable by its owner only; one that is being read is replaced at once, never half.

    ConfigurationError when the place cannot be written to.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        part.touch(mode=0o600, exist_ok=False)
        part.write_text(html, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"The page cannot be written: {error.strerror}",
            where=str(path),
            mend="Choose a place that you may write to",
        ) from None
    return path


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tl_hubspot.reporting", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    # the style is part of the page, in every page the same
    environment.globals["style"] = Markup(Path(__file__).with_name("page.css").read_text(encoding="utf-8"))
    return environment

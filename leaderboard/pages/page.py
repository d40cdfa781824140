"""A page as a file of its own: style and script in it, and a policy that lets in nothing more."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Page:
    """Which page it is.

    Attributes:
        path: In the site, with ``/``.
        title: Of the page.
        root: Prefix that leads from the page to the site's root.
    """

    path: str
    title: str
    root: str = ""


@dataclass(frozen=True)
class MenuEntry:
    """A link that every page has."""

    path: str
    label: str


MENU = (
    MenuEntry("index.html", "Board"),
    MenuEntry("certainty.html", "Certainty"),
    MenuEntry("sites.html", "Sites"),
    MenuEntry("ranking.html", "How it is ranked"),
    MenuEntry("downloads.html", "Downloads and records"),
)


class Renderer:
    """Fills the templates.

    Args:
        title: Of the board, on every page.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._css = (_HERE / "static" / "board.css").read_text(encoding="utf-8")
        self._script = (_HERE / "static" / "board.js").read_text(encoding="utf-8")
        # Pictures stand in the page as data; scripts and styles are those below, by their digests.
        self._policy = (
            f"default-src 'none'; style-src {_source(self._css)}; script-src {_source(self._script)}; "
            "img-src data:; base-uri 'none'; form-action 'none'"
        )
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, template: str, page: Page, **values: Any) -> bytes:
        """Return the page's bytes; the same values give the same."""
        shared: Mapping[str, Any] = {
            "page": page,
            "menu": MENU,
            "title": self._title,
            "policy": self._policy,
            "css": Markup(self._css),
            "script": Markup(self._script),
        }
        return self._environment.get_template(template).render(**shared, **values).encode()


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

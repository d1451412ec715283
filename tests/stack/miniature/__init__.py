"""A miniature Hermes of real servers, in a Docker engine of its own.

engine = ensure_engine()                       # installs, starts or finds the private engine
hermes = Miniature.create(base, layout="odd")  # copies a seeded template
hermes.up()
hermes.sql("SELECT 1")
hermes.down()
"""

from __future__ import annotations

from tests.stack.miniature.command import MiniatureError
from tests.stack.miniature.engine import Engine
from tests.stack.miniature.engine import ensure as ensure_engine
from tests.stack.miniature.engine import stop as stop_engine
from tests.stack.miniature.image import ensure as ensure_image
from tests.stack.miniature.layout import LAYOUTS
from tests.stack.miniature.miniature import Miniature

__all__ = [
    "LAYOUTS",
    "Engine",
    "Miniature",
    "MiniatureError",
    "ensure_engine",
    "ensure_image",
    "stop_engine",
]

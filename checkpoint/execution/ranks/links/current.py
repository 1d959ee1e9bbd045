"""The ranks that the code at hand is run by: those of the `world()` block around it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from checkpoint.execution.ranks.links.base import Link

_links: ContextVar[Link | None] = ContextVar("link", default=None)


def link_here() -> Link | None:
    """The link of the block around; None where there is none."""
    return _links.get()


@contextmanager
def run_by(link: Link) -> Iterator[None]:
    """A block that the ranks of `link` run together."""
    before = _links.set(link)
    try:
        yield
    finally:
        _links.reset(before)

"""The columns of a table, and the inputs that they become: numbers as they are, categories one-hot.

Knows no files: names and kinds alone. What training found is saved with the state, so other tables become the same
inputs.
"""

from dataclasses import dataclass

from mlp.data.errors import DataError

MAX_CATEGORIES = 1000
"""A column of text with more different words is no category."""
MAX_COLUMNS = 100_000
MAX_NAME = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name: of numbers, or of the `categories` listed. Raises `DataError` for what is none."""

    name: str
    categories: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        texts = (self.name, *(self.categories or ()))
        if not all(isinstance(text, str) and len(text) <= MAX_NAME for text in texts):
            raise DataError(f"columns: names and categories are text of up to {MAX_NAME} characters")
        if self.categories is not None and not 0 < len(set(self.categories)) == len(self.categories) <= MAX_CATEGORIES:
            raise DataError(f"column {self.name!r}: wanted 1 to {MAX_CATEGORIES} categories, each once")

    @property
    def inputs(self) -> list[str]:
        """The inputs that it becomes.

        >>> Column("size").inputs, Column("colour", ("blue", "red")).inputs
        (['size'], ['colour=blue', 'colour=red'])
        """
        return [self.name] if self.categories is None else [f"{self.name}={word}" for word in self.categories]


def names_of(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """The names of all inputs, in order."""
    return tuple(name for column in columns for name in column.inputs)

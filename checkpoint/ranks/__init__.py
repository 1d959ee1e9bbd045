"""One training step on several ranks: who has which rows, what is passed on, and the judge of it. Pure numbers."""

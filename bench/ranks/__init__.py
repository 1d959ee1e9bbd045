"""Several ranks: what they take beside one process, and what is lost when they are killed."""

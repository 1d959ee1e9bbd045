"""Training on a memory-mapped data set: what it takes of memory that is its own, and of the file's pages."""

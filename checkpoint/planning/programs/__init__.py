"""The dynamic programs that the searches run, one a file. Pure numbers."""

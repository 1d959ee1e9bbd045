"""The groups of checks of an acceptance run, a group a file: what only a GPU can show, as rows."""

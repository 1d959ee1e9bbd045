"""How a run ends before its end: by a signal, without memory, or in numbers that are not finite; in one line."""

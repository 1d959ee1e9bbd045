"""Time and bytes of a step, ours and the peers'."""

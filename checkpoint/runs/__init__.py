"""Training runs: settings, records, saved state, and how a run ends."""

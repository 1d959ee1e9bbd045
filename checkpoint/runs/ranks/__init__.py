"""Training runs of several ranks: how they begin, agree, save and end together."""

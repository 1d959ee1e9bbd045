"""Fitting an estimator, ours and the peers': time and memory."""

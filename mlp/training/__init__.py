"""The training loop, and the mini-batches that it takes."""

"""The states of a run: when they are saved, how a run goes on from one, and which data it was trained on."""

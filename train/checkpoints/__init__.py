"""Checkpoints: the state of a run as it is saved, found again, and gone on from."""

"""Node: whether this machine can feed its GPUs."""

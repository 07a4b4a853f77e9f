"""Shards to a model and its figures: read, partition, augment, fit, export, evaluate."""

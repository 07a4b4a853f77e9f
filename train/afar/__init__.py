"""Shards that lie on a server: staged to a disk of the node, or read from there."""

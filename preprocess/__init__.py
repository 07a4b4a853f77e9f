"""Scans to shards: decode, group, find the border, crop, pair, and pack as LAB."""

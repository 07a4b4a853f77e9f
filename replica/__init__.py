"""A loc.gov on loopback: the photochrom collection over real HTTP, generated or from a folder."""

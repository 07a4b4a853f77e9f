"""A model to colorized photographs: same size, same lightness, the colours of a photochrom."""

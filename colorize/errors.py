"""What can go wrong between a photograph and its colorized copy."""


class ColorizeError(Exception):
    """A photograph cannot be read, colorized or written; the message says what to do."""

"""Doctor: what this machine has and lacks."""

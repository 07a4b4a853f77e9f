"""Who is told how a training goes: DVCLive, the Prefect UI, Weights & Biases."""

"""The cluster: a training run as a SLURM job."""

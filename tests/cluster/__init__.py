"""A SLURM cluster on this machine, for drills and `make cluster`: daemons, nodes, fake GPUs."""

from tests.cluster.layout import Layout
from tests.cluster.needs import need_slurm
from tests.cluster.running import Cluster, borrow_cluster, run_cluster

__all__ = ["Cluster", "Layout", "borrow_cluster", "need_slurm", "run_cluster"]

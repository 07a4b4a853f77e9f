"""Pure: what a cluster consists of, and the configuration files that say so."""

from dataclasses import dataclass
from pathlib import Path

NAME = "photochrom"

_CONFIG = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until its credential has run out, and a second: 11 s for the usual 121.
AuthInfo=socket={folder}/munge.socket,cred_expire=10
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmdSpoolDir={folder}/spool-%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
# More cores than the machine has: they wait for each other, and nobody minds.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
SlurmctldTimeout=30
SlurmdTimeout=20
KillWait=10
MinJobAge={min_job_age_s}
GresTypes=gpu
"""

_NODE = (
    "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} Boards=1 "
    "SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory=8000 Gres=gpu:{gpus} "
    "State=UNKNOWN\n"
)

_PARTITIONS = """\
PartitionName=gpu Nodes={nodes} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 \
PreemptMode=REQUEUE GraceTime=0
PartitionName=urgent Nodes={nodes} Default=NO MaxTime=INFINITE State=UP PriorityTier=10 \
PreemptMode=OFF
"""

_WITHOUT_ACCOUNTS = """\
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
"""

_WITH_ACCOUNTS = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
# Without this the controller dies with "Problem adding tres".
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
JobAcctGatherType=jobacct_gather/linux
"""

_DBD = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a cluster consists of, and how its site is set up."""

    nodes: int = 2
    """Named n1, n2 and so on."""
    gpus: int = 2
    """Fake ones, of each node: SLURM counts them and names them to jobs."""
    cpus: int = 4
    """Of each node, whatever the machine has."""
    min_job_age_s: int = 3600
    """So long SLURM remembers a job that has ended, and some seconds more; 2 or more."""
    requeue_exit: bool = False
    """Whether the site requeues a job by itself that ends with code 75."""
    accounting: bool = False
    """Whether there is a slurmdbd with a database, and so `sacct`."""

    @property
    def names(self) -> list[str]:
        """Of the nodes."""
        return [f"n{number}" for number in range(1, self.nodes + 1)]

    @property
    def ports(self) -> int:
        """How many are needed."""
        return 1 + self.nodes + (2 if self.accounting else 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one cluster lives."""

    folder: Path
    host: str
    """What this machine calls itself, without its domain."""
    ports: tuple[int, ...]
    """Of the controller, of each node, and with accounting of slurmdbd and its database."""


def render_config(layout: Layout, place: Place) -> str:
    """Write slurm.conf."""
    folder, host = place.folder, place.host
    text = _CONFIG.format(
        name=NAME,
        host=host,
        port=place.ports[0],
        folder=folder,
        min_job_age_s=layout.min_job_age_s,
    )
    if layout.requeue_exit:
        text += "RequeueExit=75\n"
    text += (
        _WITH_ACCOUNTS.format(folder=folder, port=place.ports[-2])
        if layout.accounting
        else _WITHOUT_ACCOUNTS
    )
    for node, port in zip(layout.names, place.ports[1:], strict=False):
        text += _NODE.format(node=node, host=host, port=port, cpus=layout.cpus, gpus=layout.gpus)
    return text + _PARTITIONS.format(nodes=",".join(layout.names))


def render_gres(layout: Layout, place: Place) -> str:
    """Write gres.conf: with files, or SLURM would count GPUs and bind none."""
    files = (
        f"{place.folder}/gpu[0-{layout.gpus - 1}]" if layout.gpus > 1 else f"{place.folder}/gpu0"
    )
    return "".join(
        f"NodeName={node} Name=gpu Count={layout.gpus} File={files}\n" for node in layout.names
    )


def render_dbd(place: Place) -> str:
    """Write slurmdbd.conf."""
    return _DBD.format(
        folder=place.folder,
        host=place.host,
        port=place.ports[-2],
        database_port=place.ports[-1],
    )

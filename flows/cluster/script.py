"""Pure: the batch script of a training run, as text."""

import shlex

from flows.cluster.job import RUNS, Job
from flows.cluster.options import to_container, to_options, to_srun
from train.params import SlurmParams
from train.run import FAILED, STOPPED

LEFT = 76
"""Exit code of a job whose processes were told to stop and saved, and that is not queued again. Not
theirs: a site whose RequeueExit lists that one would queue it for ever."""

STALLED = 4
"""Starts in a row that save nothing, after which no other is made. So many, for a node that lost
its power is given to jobs until SLURM misses it: after SlurmdTimeout, 300 s, of slurm.conf(5)."""

START = f"""\
# The newest checkpoint: what a start has to better.
newest() {{ find "$checkpoints" -maxdepth 1 -name 'step-*' 2>/dev/null | sort | tail -n 1; }}

# A crash loop ends here, whoever queued the job again: it, its site or a node that failed.
echo "from $(newest)" >> "$run/starts" || true
if [ "$(tail -n {STALLED + 1} "$run/starts" | uniq -c | awk '{{print $1}}')" = {STALLED + 1} ]; then
  echo "photochrom: crash loop: {STALLED} starts in a row have saved nothing; mend what this log" \\
    "says above, and run the stage again" >&2
  exit 1
fi
rm -f "$run/{FAILED}"
"""

RENDEZVOUS = """\
# Where the processes meet. A node's name need not resolve; its address, as SLURM knows it, does.
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
first=${nodes%%$'\\n'*}
MASTER_ADDR=$(scontrol show node "$first" | sed -n 's/.*NodeAddr=\\([^ ]*\\).*/\\1/p') || true
export MASTER_ADDR="${MASTER_ADDR:-$first}"
# Another port at another start: this one may be taken.
export MASTER_PORT=$((20000 + (SLURM_JOB_ID + 1009 * ${SLURM_RESTART_COUNT:-0}) % 10000))
"""

LAUNCH = """\
# One process per GPU; those of a node fill its sockets in turn, as its GPUs are numbered. When one
# ends with an error, the others are not left waiting for it.
code=0
"""

AGAIN = f"""\
# Queued again: processes that were told to stop, and have saved ({STOPPED}), and whatever need not
# come again: a signal, a node that is gone. Not: an error that would, which a process has noted,
# and a command that cannot be run.
again=$(cat "$run/requeued" 2>/dev/null | wc -l) || true
if [ "$code" -ne 0 ] && [ "$code" -ne 126 ] && [ "$code" -ne 127 ] && [ ! -e "$run/{FAILED}" ]; then
  if [ "$again" -lt "$limit" ]; then
    echo "photochrom: exit code $code; queued again, time $((again + 1)) of at most $limit"
    echo "exit code $code" >> "$run/requeued" || true
    for _ in 1 2 3 4 5 6; do
      # SLURM then ends this script.
      scontrol requeue "$SLURM_JOB_ID" && sleep 600
      sleep 10
    done
    echo "photochrom: SLURM did not queue it again"
  else
    echo "photochrom: exit code $code; not queued again (train.slurm.requeue_limit: $limit)"
  fi
fi
[ "$code" -ne {STOPPED} ] || code={LEFT}
exit "$code"
"""


def render_script(job: Job, slurm: SlurmParams) -> str:
    """Write the batch script of a job.

    Args:
        job: What to run, and where.
        slurm: What to ask the cluster for.

    Returns:
        Bash, with its `#SBATCH` lines.
    """
    head = ["#!/bin/bash", *(f"#SBATCH {option}" for option in to_options(job, slurm))]
    parts = [
        "\n".join(head) + "\n",
        _set_up(slurm),
        _name_run(job, slurm),
        START,
        RENDEZVOUS,
        _export(job, slurm),
        LAUNCH + f"{_to_command(job, slurm)} || code=$?\n",
        AGAIN,
    ]
    return "\n".join(parts)


def _set_up(slurm: SlurmParams) -> str:
    lines = ["set -euo pipefail"]
    # First, so that none takes the place of one of the script's own.
    lines += [f"export {name}={shlex.quote(value)}" for name, value in slurm.environment.items()]
    if slurm.modules:
        # `module` is the site's own shell code, and reads what may be unset.
        lines += ["set +u", *(f"module load {shlex.quote(one)}" for one in slurm.modules), "set -u"]
    return "\n".join(lines) + "\n"


def _name_run(job: Job, slurm: SlurmParams) -> str:
    run = shlex.quote(str(job.run))
    if job.runs:
        run = f'$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {RUNS})'
    lines = [
        f"run={run}",
        f'checkpoints={shlex.quote(str(job.checkpoints))}/"$(basename "$run")"',
        f"limit={slurm.requeue_limit}",
    ]
    return "\n".join(lines) + "\n"


def _export(job: Job, slurm: SlurmParams) -> str:
    lines = [
        "# As many threads as the process has cores; more would only take turns.",
        f"export OMP_NUM_THREADS={slurm.cpus_per_gpu or 1}",
        "# Threads that wait sleep: spinning ones take the core of the one that gathers batches.",
        "export OMP_WAIT_POLICY=PASSIVE",
    ]
    if slurm.gpus_per_node:
        lines += [
            "# NCCL is silent by default about why it cannot connect, or took a slow road.",
            "export NCCL_DEBUG=${NCCL_DEBUG:-WARN}",
        ]
    lines += [
        "# No stray train.py takes the package's place, and the log is written as it comes.",
        "export PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1",
    ]
    if job.code is not None and slurm.container is None:
        lines.append(f"export PYTHONPATH={shlex.quote(str(job.code))}")
    return "\n".join(lines) + "\n"


def _to_command(job: Job, slurm: SlurmParams) -> str:
    words = [*to_srun(slurm), *to_container(job, slurm)]
    if job.code is not None and slurm.container is not None:
        # Within: an image may set it otherwise.
        words += ["env", f"PYTHONPATH={job.code}"]
    quoted = " ".join(map(shlex.quote, [*words, str(job.python), "-m", "train"]))
    return f'{quoted} "$run"'

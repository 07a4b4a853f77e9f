#!/bin/bash
#SBATCH --job-name=photochrom-seeds-0123456789abcdef
#SBATCH --chdir=/scratch/prints/seeds/0123456789abcdef
#SBATCH --output=job-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --array=0-2
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=2
#SBATCH --gres=gpu:2
#SBATCH --cpus-per-task=1
#SBATCH --time=10
#SBATCH --no-requeue

set -euo pipefail

run=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" runs)
checkpoints=/scratch/prints/checkpoints/"$(basename "$run")"
limit=0

# The newest checkpoint: what a start has to better.
newest() { find "$checkpoints" -maxdepth 1 -name 'step-*' 2>/dev/null | sort | tail -n 1; }

# A crash loop ends here, whoever queued the job again: it, its site or a node that failed.
echo "from $(newest)" >> "$run/starts" || true
if [ "$(tail -n 5 "$run/starts" | uniq -c | awk '{print $1}')" = 5 ]; then
  echo "photochrom: crash loop: 4 starts in a row have saved nothing; mend what this log" \
    "says above, and run the stage again" >&2
  exit 1
fi
rm -f "$run/failed"

# Where the processes meet. A node's name need not resolve; its address, as SLURM knows it, does.
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
first=${nodes%%$'\n'*}
MASTER_ADDR=$(scontrol show node "$first" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p') || true
export MASTER_ADDR="${MASTER_ADDR:-$first}"
# Another port at another start: this one may be taken.
export MASTER_PORT=$((20000 + (SLURM_JOB_ID + 1009 * ${SLURM_RESTART_COUNT:-0}) % 10000))

# As many threads as the process has cores; more would only take turns.
export OMP_NUM_THREADS=1
# Threads that wait sleep: spinning ones take the core of the one that gathers batches.
export OMP_WAIT_POLICY=PASSIVE
# NCCL is silent by default about why it cannot connect, or took a slow road.
export NCCL_DEBUG=${NCCL_DEBUG:-WARN}
# No stray train.py takes the package's place, and the log is written as it comes.
export PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1

# One process per GPU; those of a node fill its sockets in turn, as its GPUs are numbered. When one
# ends with an error, the others are not left waiting for it.
code=0
srun --kill-on-bad-exit=1 --label --distribution=block:block --cpus-per-task=1 --container-image=/images/torch.sif --container-mounts=/scratch/prints:/scratch/prints,/work/photochrom:/work/photochrom env PYTHONPATH=/work/photochrom python -m train "$run" || code=$?

# Queued again: processes that were told to stop, and have saved (75), and whatever need not
# come again: a signal, a node that is gone. Not: an error that would, which a process has noted,
# and a command that cannot be run.
again=$(cat "$run/requeued" 2>/dev/null | wc -l) || true
if [ "$code" -ne 0 ] && [ "$code" -ne 126 ] && [ "$code" -ne 127 ] && [ ! -e "$run/failed" ]; then
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
[ "$code" -ne 75 ] || code=76
exit "$code"

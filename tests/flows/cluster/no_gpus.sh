#!/bin/bash
#SBATCH --job-name=photochrom-0123456789abcdef
#SBATCH --chdir='/work/a project/.photochrom/runs/0123456789abcdef'
#SBATCH --output=job-%j.log
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1

set -euo pipefail

# Where the processes meet. A node's name need not resolve; its address, as SLURM knows it, does.
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
first=${nodes%%$'\n'*}
MASTER_ADDR=$(scontrol show node "$first" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p')
export MASTER_ADDR="${MASTER_ADDR:-$first}"
export MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000))

export OMP_NUM_THREADS=1
export PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1

srun --kill-on-bad-exit=1 --label '/work/a project/.venv/bin/python' -m train '/work/a project/.photochrom/runs/0123456789abcdef'

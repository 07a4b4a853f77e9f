#!/bin/bash
#SBATCH --job-name=photochrom-0123456789abcdef
#SBATCH --chdir='/work/a project/.photochrom/runs/0123456789abcdef'
#SBATCH --output=job-%j.log
#SBATCH --partition=gpu,long
#SBATCH --account=prints
#SBATCH --qos=normal
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gres=gpu:h200:4
#SBATCH --cpus-per-task=8
#SBATCH --mem=192G
#SBATCH --time=720
#SBATCH --signal=TERM@120
#SBATCH --constraint=ib
#SBATCH --exclusive

set -euo pipefail
set +u
module load gcc/13.2
module load cuda/12.8
set -u

# Where the processes meet. A node's name need not resolve; its address, as SLURM knows it, does.
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
first=${nodes%%$'\n'*}
MASTER_ADDR=$(scontrol show node "$first" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p')
export MASTER_ADDR="${MASTER_ADDR:-$first}"
export MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000))

export OMP_NUM_THREADS=8
export PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1

srun --kill-on-bad-exit=1 --label --cpus-per-task=8 '/work/a project/.venv/bin/python' -m train '/work/a project/.photochrom/runs/0123456789abcdef'

#!/bin/bash
# Four nodes of 8 GPUs under Slurm: the paper's cold start, then its EMA-GRPO.
#   DATA=/data/onethinker sbatch slurm-4x8gpu.sh sft onethinker-8b-sft
#   DATA=/data/onethinker sbatch slurm-4x8gpu.sh grpo onethinker-8b-grpo
# Folders of data and results must be the same on all nodes. A job that is requeued or sent again
# goes on from the newest whole checkpoint.
#SBATCH --job-name=onethinker
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=48:00:00
#SBATCH --requeue
#SBATCH --output=%x-%j.log
set -euo pipefail

STAGE=${1:?sft or grpo}
RECIPE=${2:?a recipe}
shift 2
export OMP_NUM_THREADS=8
HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
PORT=$((20000 + SLURM_JOB_ID % 20000))
CONFIG=$(onethinker-train launchers accelerate-4x8gpu.yaml)
export STAGE RECIPE HEAD PORT CONFIG DATA

# Single quotes: SLURM_NODEID is each node's own.
srun --kill-on-bad-exit=1 bash -c '
  accelerate launch --config_file "$CONFIG" \
    --machine_rank "$SLURM_NODEID" --main_process_ip "$HEAD" --main_process_port "$PORT" \
    -m onethinker_eval.training "$STAGE" "$RECIPE" data.root="$DATA" "$@"
' bash "$@"

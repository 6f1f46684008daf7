"""Training with the evaluation's own metrics as rewards: SFT cold start and EMA-GRPO."""

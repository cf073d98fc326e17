"""Carries hyperparameter tuning jobs: plans trials, makes their training jobs, ends what is not worth going on."""

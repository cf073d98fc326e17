"""The search of tuning jobs beside its open peers: regret, time of a point, epochs of Hyperband."""

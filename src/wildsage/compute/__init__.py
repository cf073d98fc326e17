"""Where a container runs: one backend, one file, one contract suite."""

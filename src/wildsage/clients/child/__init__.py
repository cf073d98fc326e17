"""On the PYTHONPATH of programs that `wildsage run --fast-waits` starts: see `sitecustomize`."""

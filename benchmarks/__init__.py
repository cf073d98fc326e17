"""What Wildsage's figures are measured with: ``python -m benchmarks``. Measures, asserts nothing."""

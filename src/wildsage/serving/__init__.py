"""The machinery of endpoints: variants, workers, routing."""

"""Composition root: the only place that names concrete backends and hands registries over."""

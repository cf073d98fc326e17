"""Carries a user's script inside a framework environment: the SM_* contract of training, and serving.

It runs where Wildsage is not installed, on the standard library alone: ``__main__.py`` is started by its
path and makes the package importable for its own process, without a change of ``sys.path``.
"""

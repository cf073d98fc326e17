"""The machinery of jobs: claim what is due, launch its supervisor, read its journal, settle."""

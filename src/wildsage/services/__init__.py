"""The control plane: one folder per AWS service, one class per resource, one decorated method per operation."""

"""The data plane of SageMaker: calls of endpoints."""

"""The container side of the contract: what an algorithm or a user's script is written against."""

"""IAM: roles, policies and their attachment as records, and the simulator that evaluates them."""

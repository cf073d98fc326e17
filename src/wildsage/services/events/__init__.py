"""EventBridge: buses, rules and their targets, and the events that clients put."""

"""What is made of metrics: statistics, expressions, alarms, and the counting of invocations."""

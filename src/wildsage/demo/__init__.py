"""What ``wildsage demo`` shows: a real data set and the script that runs on it."""

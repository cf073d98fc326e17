"""From an image URI to what runs on this machine: a built-in algorithm, a framework environment, a directory."""

"""Application Auto Scaling: what endpoints are to be scaled by. Records: nothing acts on them yet."""

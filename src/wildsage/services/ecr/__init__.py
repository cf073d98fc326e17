"""ECR: repositories and images as records. No layer is stored: what runs here is registered with `wildsage images`."""

"""S3: buckets and objects, one module per resource."""

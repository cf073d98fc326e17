"""Lists in pages, as all of IAM has them."""

from wildsage.services.iam.errors import validation_error
from wildsage.services.pages import Pages

PAGES = Pages("Marker", "MaxItems", 100, 1000, truncated="IsTruncated", error=validation_error)

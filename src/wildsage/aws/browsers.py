"""What S3 grants to web pages: forms that upload, and answers to pages of other origins."""

from dataclasses import dataclass

from wildsage.aws.cross_origin import CrossOrigin
from wildsage.aws.form_upload import FormUploads


@dataclass(frozen=True, slots=True)
class Browsers:
    """Both, for the gateway."""

    forms: FormUploads
    origins: CrossOrigin

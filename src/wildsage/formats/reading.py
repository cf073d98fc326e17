"""What the reader of data says about it, beside its content type."""

from dataclasses import dataclass, field

from wildsage.formats.content_types import ContentType


@dataclass(frozen=True, slots=True)
class Reading:
    """How an object is to be read; each format uses what has a meaning in it.

    Attributes
    ----------
    content_type
        With its parameters (``label_size``, ``charset``).
    label_size
        Columns in front of the features where the content type does not say: CSV, Parquet.
    weights
        The column behind the labels holds weights: CSV (XGBoost's ``csv_weights``).
    delimiter
        Of CSV; None: found in the first line.
    missing
        Empty fields, nulls and NaN are missing values; else they are errors, as infinite numbers always are.
    """

    content_type: ContentType = field(default_factory=lambda: ContentType(""))
    label_size: int = 0
    weights: bool = False
    delimiter: str | None = ","
    missing: bool = False

    def labels(self) -> int:
        """Count of label columns.

        Raises
        ------
        ValueError
            If the content type's ``label_size`` is no whole number from 0.
        """
        return self.content_type.label_size(self.label_size)

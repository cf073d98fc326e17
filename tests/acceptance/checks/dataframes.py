"""pandas, pyarrow and polars read and write s3:// paths, told nothing of where S3 is."""

import os

import boto3
import pandas as pd
import polars as pl
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

boto3.client("s3", region_name="us-west-2").create_bucket(
    Bucket="dataframes", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
)
frame = pd.DataFrame({"number": range(1000), "name": [f"row {number}" for number in range(1000)]})
frame.to_csv("s3://dataframes/csv/rows.csv", index=False)
frame.to_parquet("s3://dataframes/parquet/rows.parquet")
pd.testing.assert_frame_equal(pd.read_csv("s3://dataframes/csv/rows.csv"), frame)
pd.testing.assert_frame_equal(pd.read_parquet("s3://dataframes/parquet/rows.parquet"), frame)

dataset = pyarrow.dataset.dataset("s3://dataframes/parquet/", format="parquet")
assert dataset.to_table(filter=pyarrow.dataset.field("number") > 900).num_rows == 99
files, path = pyarrow.fs.FileSystem.from_uri("s3://dataframes/arrow/rows.parquet")
pyarrow.parquet.write_table(dataset.to_table(), path, filesystem=files)
# Without a URI, pyarrow reads no variable that says where S3 is.
named = pyarrow.fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"])
assert named.get_file_info("dataframes/arrow/rows.parquet").size > 0

assert pl.read_csv("s3://dataframes/csv/rows.csv").shape == (1000, 2)
assert pl.scan_csv("s3://dataframes/csv/*.csv").filter(pl.col("number") < 10).collect().height == 10
lazy = pl.scan_parquet("s3://dataframes/arrow/*.parquet")
assert lazy.select(pl.col("number").sum()).collect().item() == 499500
pl.from_pandas(frame).write_parquet("s3://dataframes/polars/rows.parquet")
assert pl.read_parquet("s3://dataframes/polars/rows.parquet").height == 1000

"""Read a path that needs an S3 client in Spark."""

import sys

from pyspark.sql import SparkSession

print(SparkSession.builder.getOrCreate().read.text(sys.argv[1]).count())

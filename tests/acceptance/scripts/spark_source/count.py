"""Count words with Spark, as the documentation's example does; a module and a configuration come along."""

import argparse

from helper import is_word
from pyspark.sql import SparkSession

parser = argparse.ArgumentParser()
parser.add_argument("--input")
parser.add_argument("--output")
parser.add_argument("--motto", action="store_true")
arguments = parser.parse_args()
spark = SparkSession.builder.appName("count").getOrCreate()
lines = spark.sparkContext.textFile(f"file://{arguments.input}")
words = lines.flatMap(str.split).filter(is_word).map(lambda word: (word, 1)).reduceByKey(lambda a, b: a + b)
frame = words.toDF(["word", "count"]).orderBy("word")
frame.coalesce(1).write.mode("overwrite").option("header", True).csv(f"file://{arguments.output}/counts")
# What comes by --jars is on the driver's class path.
loader = spark._jvm.java.lang.Thread.currentThread().getContextClassLoader()
motto = loader.getResource("motto.txt").openStream().readAllBytes().decode() if arguments.motto else ""
partitions = spark.conf.get("spark.sql.shuffle.partitions")
with open(f"{arguments.output}/facts.txt", "w") as file:
    file.write(f"{spark.version} {partitions} {spark.sparkContext.master} {motto}")

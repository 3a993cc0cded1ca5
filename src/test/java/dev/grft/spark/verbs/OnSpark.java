package dev.grft.spark.verbs;

import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;

/** Tests in the Spark session that all test classes share. */
public abstract class OnSpark {
    protected static SparkSession spark;
    protected static JavaSparkContext context;

    @BeforeAll
    protected static void startSpark() {
        spark = Tiny.spark("local[2]");
        context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    }
}

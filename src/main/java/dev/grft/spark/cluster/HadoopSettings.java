package dev.grft.spark.cluster;

import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.deploy.SparkHadoopUtil;

/** The one configuration of Hadoop in this process. */
public final class HadoopSettings {
    private HadoopSettings() {}

    /**
     * Returns what a Spark application of this process has: the files of Hadoop's configuration, and each {@code spark.hadoop.*} that
     * {@code spark-submit} was given. Starts no application.
     */
    public static Configuration ofProcess() {
        return SparkHadoopUtil.get().newConfiguration(new SparkConf());
    }
}

package dev.grft.spark.cluster;

import java.io.File;
import org.apache.spark.SparkEnv;

/** Files that a process keeps on its local disks, in {@code spark.local.dir}. */
public final class Scratch {
    private Scratch() {}

    /**
     * Returns the path of a new file, which does not exist yet. It is deleted when this JVM ends: with Spark's shuffle service, the directories
     * of an executor stay until the application ends.
     */
    public static File file() {
        File file = SparkEnv.get()
                .blockManager()
                .diskBlockManager()
                .createTempLocalBlock()
                ._2();
        file.deleteOnExit();
        return file;
    }
}

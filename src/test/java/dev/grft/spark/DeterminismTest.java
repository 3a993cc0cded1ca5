package dev.grft.spark;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeterminismTest {
    @TempDir
    Path folder;

    @Test
    void scoresAndDeltaHaveTheSameBitsOnAnyNumberOfCores() throws Exception {
        Path pretrained = Tiny.pretrained(folder.resolve("pretrained"), 1);
        Path train = Tiny.images(folder.resolve("train"), 6, 2);

        for (int cores : new int[] {1, 2, 4}) {
            SparkSession spark = Tiny.spark("local[" + cores + "]");
            try {
                assertThat(spark.sparkContext().defaultParallelism()).isEqualTo(cores);
                Path directory = folder.resolve("cores" + cores);
                Tiny.does(spark, Tiny.sets(pretrained, train, train, directory), false, Verbs::train);
            } finally {
                spark.stop();
            }
        }

        for (String file : new String[] {"selection.safetensors", "linear/delta.safetensors", "delta.safetensors"}) {
            Map<String, String> one = Tiny.tensors(folder.resolve("cores1").resolve(file));
            assertThat(Tiny.tensors(folder.resolve("cores2").resolve(file)))
                    .as("%s with 2 cores", file)
                    .isEqualTo(one);
            assertThat(Tiny.tensors(folder.resolve("cores4").resolve(file)))
                    .as("%s with 4 cores", file)
                    .isEqualTo(one);
        }
    }
}

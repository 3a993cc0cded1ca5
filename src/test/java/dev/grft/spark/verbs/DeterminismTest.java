package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.vit.kernels.Machine;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeterminismTest {
    /** All random changes at once; a crop and a flip come with {@link Tiny#sets}. */
    private static final String[] AUGMENTED = {
        "augmentation.verticalFlip=true",
        "augmentation.rotate=true",
        "augmentation.randAugment=rand-m9-mstd0.5-inc1",
        "augmentation.colorJitter.hue=0.1",
        "augmentation.erasing.probability=0.5",
        "augmentation.mixup=0.8",
        "augmentation.cutmix=1"
    };

    @TempDir
    Path folder;

    @Test
    @Tag("thorough")
    void scoresAndDeltaHaveTheSameBitsOnAnyNumberOfCores() throws Exception {
        Path pretrained = Tiny.pretrained(folder.resolve("pretrained"), 1);
        Path train = Tiny.images(folder.resolve("train"), 6, 2);

        for (int cores : new int[] {1, 2, 4}) {
            SparkSession spark = Tiny.spark("local[" + cores + "]");
            assertThat(spark.sparkContext().defaultParallelism()).isEqualTo(cores);
            Path directory = folder.resolve("cores" + cores);
            Tiny.does(spark, Tiny.sets(pretrained, train, train, directory, AUGMENTED), false, Verbs::train);
            Path again = directory.resolve("again");
            Tiny.does(
                    spark,
                    Tiny.sets(
                            pretrained,
                            train,
                            train,
                            again,
                            "selection.everyEpochs=1",
                            "training.updater=adamw",
                            "training.weightDecay=0.1"),
                    false,
                    Verbs::train);
        }

        for (String file : new String[] {
            "selection.safetensors",
            "linear/delta.safetensors",
            "delta.safetensors",
            "again/part-3/selection.safetensors",
            "again/delta.safetensors"
        }) {
            Map<String, String> one = Tiny.tensors(folder.resolve("cores1").resolve(file));
            assertThat(Tiny.tensors(folder.resolve("cores2").resolve(file)))
                    .as("%s with 2 cores", file)
                    .isEqualTo(one);
            assertThat(Tiny.tensors(folder.resolve("cores4").resolve(file)))
                    .as("%s with 4 cores", file)
                    .isEqualTo(one);
        }
    }

    @Test
    @Tag("thorough")
    void bfloat16HasTheSameBitsOnAnyNumberOfCoresAndOthersThanFloat() throws Exception {
        Machine.needBf16();
        Path pretrained = Tiny.pretrained(folder.resolve("pretrained"), 1);
        Path train = Tiny.images(folder.resolve("train"), 6, 2);
        Map<String, String> delta = Map.of();
        for (int cores : new int[] {1, 4}) {
            Path run = folder.resolve("cores" + cores);
            List<String> sets = Tiny.sets(pretrained, train, train, run, "engine.precision=bf16");
            assertThat(Tiny.does(Tiny.spark("local[" + cores + "]"), sets, false, Verbs::train)
                            .err())
                    .contains("computing on CPUs in bfloat16");
            assertThat(Files.readString(run.resolve("manifest.json"))).contains("\"precision\" : \"bf16\"");
            delta = Tiny.tensors(run.resolve("delta.safetensors"));
            assertThat(delta).isEqualTo(Tiny.tensors(folder.resolve("cores1/delta.safetensors")));
            assertThat(DeltaFile.read(new Configuration(), new org.apache.hadoop.fs.Path(run + "/delta.safetensors"))
                            .provenance())
                    .contains("\"precision\":\"bf16\"");
        }
        Path run = folder.resolve("cores1");
        Tiny.does(Tiny.spark("local[1]"), Tiny.sets(pretrained, train, train, run), false, Verbs::train);
        assertThat(Tiny.tensors(run.resolve("delta.safetensors")))
                .as("trained again in fp32")
                .isNotEqualTo(delta);
    }

    @Test
    @Tag("torch")
    void libTorchHasTheSameBitsOnAnyNumberOfCoresAndTrainsWhatOthersTrain() throws Exception {
        Path pretrained = Tiny.pretrained(folder.resolve("pretrained"), 1);
        Path train = Tiny.images(folder.resolve("train"), 6, 2);
        for (String precision : new String[] {"fp32", "bf16"}) {
            for (int cores : new int[] {1, 4}) {
                Path run = folder.resolve(precision + cores);
                List<String> sets = Tiny.sets(
                        pretrained, train, train, run, "engine.kernels=torch", "engine.precision=" + precision);
                assertThat(Tiny.does(Tiny.spark("local[" + cores + "]"), sets, false, Verbs::train)
                                .err())
                        .contains("computing on CPUs with LibTorch" + (precision.equals("bf16") ? " in bfloat16" : ""));
                assertThat(Files.readString(run.resolve("manifest.json"))).contains("\"kernels\" : \"torch\"");
                for (String file : new String[] {"selection.safetensors", "delta.safetensors"}) {
                    assertThat(Tiny.tensors(run.resolve(file)))
                            .as(run + "/" + file)
                            .isEqualTo(
                                    Tiny.tensors(folder.resolve(precision + 1).resolve(file)));
                }
            }
        }
        Path run = folder.resolve("cpu");
        Tiny.does(Tiny.spark("local[2]"), Tiny.sets(pretrained, train, train, run), false, Verbs::train);
        assertThat(selected(run)).isNotEmpty().isEqualTo(selected(folder.resolve("fp321")));
    }

    /** Returns the selected rows and columns, without their scores. */
    private static Map<String, String> selected(Path run) throws Exception {
        Map<String, String> all = new TreeMap<>(Tiny.tensors(run.resolve("selection.safetensors")));
        all.keySet().removeIf(name -> name.endsWith(".score"));
        return all;
    }

    @Test
    void imagesInOneTwoOrFivePartitionsGiveTheSameBits() throws Exception {
        Path pretrained = Tiny.pretrained(folder.resolve("pretrained"), 1);
        Path images = Tiny.images(folder.resolve("train"), 6, 2);
        SparkSession spark = Tiny.spark("local[2]");
        Dataset<Row> files = spark.read()
                .format("binaryFile")
                .option("recursiveFileLookup", "true")
                .load(images.toString())
                .selectExpr("path", "content AS image", "element_at(split(path, '/'), -2) AS label");
        for (int partitions : new int[] {1, 2, 5}) {
            Path parquet = folder.resolve("parquet" + partitions);
            files.repartitionByRange(partitions, files.col("path"))
                    .sortWithinPartitions("path")
                    .write()
                    .parquet(parquet.toString());
            try (Stream<Path> parts = Files.list(parquet)) {
                assertThat(parts.filter(part -> part.toString().endsWith(".parquet")))
                        .hasSize(partitions);
            }
            Path directory = folder.resolve("partitions" + partitions);
            Tiny.does(spark, Tiny.sets(pretrained, parquet, parquet, directory, AUGMENTED), false, Verbs::train);
        }

        for (String file : new String[] {"selection.safetensors", "delta.safetensors"}) {
            Map<String, String> one = Tiny.tensors(folder.resolve("partitions1").resolve(file));
            for (int partitions : new int[] {2, 5}) {
                assertThat(Tiny.tensors(
                                folder.resolve("partitions" + partitions).resolve(file)))
                        .as("%s of %d partitions", file, partitions)
                        .isEqualTo(one);
            }
        }
    }
}

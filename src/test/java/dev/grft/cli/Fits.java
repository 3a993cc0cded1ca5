package dev.grft.cli;

import dev.grft.ProcessStatus;
import dev.grft.ml.GrftClassificationModel;
import dev.grft.ml.GrftClassifier;
import dev.grft.spark.verbs.Tiny;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.spark.launcher.JavaModuleOptions;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Trains on a data frame ten times in one session, then twice at once, and labels the images with each model. Ends with 1 if a model differs
 * from the first, or if memory grows after the third.
 */
final class Fits {
    private static final int TIMES = 10;
    private static final int WARM = 3;
    private static final long MOST_MIB = 100;

    private final Path model;
    private final Dataset<Row> frame;
    private final Path folder;

    private Fits(Path model, Dataset<Row> frame, Path folder) {
        this.model = model;
        this.frame = frame;
        this.folder = folder;
    }

    /** Returns the command that does it in a JVM of its own. */
    static List<String> command(Path model, Path images, String heap) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(JavaModuleOptions.defaultModuleOptions().split(" ")));
        command.addAll(List.of("-Xmx" + heap, "-cp", System.getProperty("java.class.path"), Fits.class.getName()));
        command.addAll(List.of(model.toString(), images.toString()));
        return command;
    }

    /** Arguments: the pretrained model, the folder of the images. */
    public static void main(String... arguments) throws Exception {
        try (SparkSession spark = Tiny.spark("local[2]")) {
            Dataset<Row> frame = spark.read()
                    .format("binaryFile")
                    .option("recursiveFileLookup", "true")
                    .load(arguments[1])
                    .selectExpr("path", "content", "element_at(split(path, '/'), -2) AS label");
            Path folder = Files.createTempDirectory("fits");
            System.exit(new Fits(Path.of(arguments[0]), frame, folder).run() ? 0 : 1);
        }
    }

    private boolean run() throws Exception {
        Map<String, String> first = Map.of();
        List<Long> resident = new ArrayList<>();
        boolean same = true;
        for (int i = 1; i <= TIMES; i++) {
            Map<String, String> delta = fit("one-" + i);
            first = first.isEmpty() ? delta : first;
            same &= delta.equals(first);
            resident.add(held("fits one after the other: " + i));
        }
        for (int i = 1; i <= WARM; i++) {
            String name = "two-" + i;
            CompletableFuture<Map<String, String>> other = CompletableFuture.supplyAsync(() -> fit(name + "-a"));
            same &= fit(name + "-b").equals(first) && other.join().equals(first);
            resident.add(held("fits two at once: " + i));
        }
        boolean flat = resident.get(TIMES - 1) <= resident.get(WARM) + MOST_MIB
                && resident.get(TIMES + WARM - 1) <= resident.get(TIMES) + MOST_MIB;
        System.out.printf(
                "fits %s, %s%n", same ? "have the same bits" : "DIFFER", flat ? "memory is flat" : "memory GROWS");
        return same && flat;
    }

    private Map<String, String> fit(String name) {
        GrftClassificationModel fitted = new GrftClassifier()
                .setPretrained(model.toString())
                .setImageCol("content")
                .setEpochs(2)
                .setBatchSize(16)
                .setShards(2)
                .fit(frame);
        fitted.transform(frame).selectExpr("max(prediction)").collect();
        try {
            fitted.write().save(folder.resolve(name).toString());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        return Tiny.tensors(folder.resolve(name).resolve("delta.safetensors"));
    }

    /** Says what the process holds once garbage is collected, and returns the resident MiB. */
    private static long held(String when) throws IOException {
        System.gc();
        Runtime runtime = Runtime.getRuntime();
        long resident = ProcessStatus.bytes("VmRSS") >> 20;
        System.out.printf(
                Locale.ROOT,
                "%s, resident %d MiB, heap %d MiB, %d threads%n",
                when,
                resident,
                (runtime.totalMemory() - runtime.freeMemory()) >> 20,
                Thread.activeCount());
        return resident;
    }
}

package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.data.ImageRecipe;
import dev.grft.data.Preprocess;
import dev.grft.spark.images.FrameColumns;
import dev.grft.spark.images.FrameSource;
import dev.grft.spark.images.ImageFormat;
import dev.grft.spark.images.ImageReader;
import dev.grft.spark.images.ImageSource;
import dev.grft.spark.images.ReadOptions;
import dev.grft.spark.images.Source;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerBlockUpdated;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.storage.BroadcastBlockId;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.util.Properties;

/**
 * What the driver sends to executors for the images of others. Two executors read a part each: one of a few images, the other of few or of
 * many. What both receive must not grow.
 */
@Tag("thorough")
class SentToExecutorsTest {
    private static final int SMALL = 10; // images of one part
    private static final int FEW = 300; // of the other
    private static final int MANY = 30_000;

    /** Bytes by which the code of tasks may differ. The ranks of the many images alone are 360,000, their names 3 million. */
    private static final int SLACK = 300_000;

    private static final byte[] PNG = png();

    @TempDir
    private static Path folder;

    private static Map<String, Long> received;

    /** Measures in a process of its own, as executors find their class path in its environment. */
    @BeforeAll
    static void measure() throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(option -> option.startsWith("--add-"))
                .forEach(command::add);
        String classPath = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator, -1))
                .map(entry -> Path.of(entry).toAbsolutePath().toString())
                .collect(Collectors.joining(File.pathSeparator));
        command.addAll(List.of("-cp", classPath, SentToExecutorsTest.class.getName(), folder.toString()));
        Files.createDirectory(folder.resolve("jars")); // where executors look for more than the class path
        Path log = folder.resolve("log");
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .directory(folder.toFile());
        builder.environment().put("SPARK_HOME", folder.toString());
        builder.environment()
                .put("SPARK_SCALA_VERSION", Properties.versionNumberString().replaceFirst("\\.\\d+$", ""));
        Process process = builder.start();
        assertThat(process.waitFor(300, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(Files.readString(log)).isZero();
        received = new TreeMap<>();
        for (String line : Files.readAllLines(folder.resolve("received"))) {
            String[] cells = line.split("\t", -1);
            received.put(cells[0], Long.valueOf(cells[1]));
        }
    }

    private static void requireFlat(String what) {
        assertThat(received.get(what + MANY) - received.get(what + FEW))
                .as("bytes that both executors receive of %s: %s", what, received)
                .isLessThan(SLACK);
    }

    @Test
    void ofTarsAnExecutorGetsNothingOfTheImagesOfOthers() {
        requireFlat("tar");
        requireFlat("shuffledtar");
    }

    @Test
    void ofTablesAnExecutorGetsNothingOfTheImagesOfOthers() {
        requireFlat("parquet");
    }

    @Test
    void ofDataFramesAnExecutorGetsNothingOfTheImagesOfOthers() {
        requireFlat("frame");
        requireFlat("samenames");
    }

    @Test
    void packingSendsNoNamesAndLabelsOfOthers() {
        requireFlat("pack");
    }

    /** Writes a line for each: what was read, how many images the large part had, and the bytes that both executors received. */
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        SparkSession spark = SparkSession.builder()
                .config("spark.executor.memory", "512m")
                .config("spark.executor.extraClassPath", System.getProperty("java.class.path"))
                .config("spark.ui.enabled", "false")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.broadcast.compress", "false")
                .config("spark.locality.wait", "0")
                .config("spark.scheduler.minRegisteredResourcesRatio", "1")
                .config("spark.sql.files.openCostInBytes", "100000000") // no two files share a task
                .master("local-cluster[2,1,512]")
                .getOrCreate();
        List<String> lines = new ArrayList<>();
        for (int large : new int[] {FEW, MANY}) {
            Map<String, Runnable> all = new LinkedHashMap<>();
            Path tars = Files.createDirectories(folder.resolve("tars" + large));
            tar(tars.resolve("0.tar"), SMALL, 1);
            tar(tars.resolve("1.tar"), large, 1);
            all.put("tar", read(spark, tars));
            Path shuffled = Files.createDirectories(folder.resolve("shuffled" + large));
            tar(shuffled.resolve("0.tar"), SMALL, 7);
            tar(shuffled.resolve("1.tar"), large, 7);
            all.put("shuffledtar", read(spark, shuffled));
            Path parquet = folder.resolve("parquet" + large);
            table(spark, SMALL, i -> "small").write().parquet(parquet.toString());
            table(spark, large, i -> "large").write().mode("append").parquet(parquet.toString());
            all.put("parquet", read(spark, parquet));
            Path rows = folder.resolve("rows" + large);
            table(spark, SMALL, i -> name("small", i)).write().parquet(rows.toString());
            table(spark, large, i -> name("large", i)).write().mode("append").parquet(rows.toString());
            all.put("frame", frame(spark, rows));
            Path same = folder.resolve("same" + large);
            table(spark, SMALL, i -> name("small", i / 2)).write().parquet(same.toString());
            table(spark, large, i -> name("large", i / 2))
                    .write()
                    .mode("append")
                    .parquet(same.toString());
            all.put("samenames", frame(spark, same));
            Path ofPack = folder.resolve("packs" + large);
            files(ofPack, large == FEW ? "short" : "a much longer name ".repeat(5));
            all.put("pack", () -> packed(spark, ofPack, folder.resolve("packed" + large)));
            for (Map.Entry<String, Runnable> one : all.entrySet()) {
                Received listener = new Received();
                spark.sparkContext().addSparkListener(listener);
                one.getValue().run();
                spark.sparkContext().listenerBus().waitUntilEmpty();
                spark.sparkContext().removeSparkListener(listener);
                lines.add(one.getKey() + large + "\t" + listener.largestOfBoth());
            }
        }
        Files.write(folder.resolve("received"), lines);
        System.exit(0);
    }

    /** The bytes of each broadcast that each executor has received. */
    private static final class Received extends SparkListener {
        private final Map<Long, Map<String, Long>> broadcasts = new ConcurrentHashMap<>();

        @Override
        public void onBlockUpdated(SparkListenerBlockUpdated update) {
            var block = update.blockUpdatedInfo();
            String executor = block.blockManagerId().executorId();
            if (block.blockId() instanceof BroadcastBlockId broadcast && !executor.equals("driver")) {
                broadcasts
                        .computeIfAbsent(broadcast.broadcastId(), id -> new ConcurrentHashMap<>())
                        .merge(executor, block.memSize() + block.diskSize(), Long::sum);
            }
        }

        /** Returns the size of the largest that both have received: one with the code of tasks, if it is no other. */
        long largestOfBoth() {
            return broadcasts.values().stream()
                    .filter(executors -> executors.size() == 2)
                    .mapToLong(executors -> Collections.max(executors.values()))
                    .max()
                    .orElseThrow();
        }
    }

    /** Opens what lies at a path, for which one executor may look at schemas, and returns how to read it. */
    private static Runnable read(SparkSession spark, Path path) {
        ReadOptions options = new ReadOptions(ImageFormat.AUTO, "image", "label", null);
        return read(spark, ImageSource.at(spark, List.of(path.toString()), options));
    }

    private static Runnable frame(SparkSession spark, Path rows) {
        FrameColumns columns = new FrameColumns("image", "label", "name", null);
        Source frame = new FrameSource("frame", spark.read().parquet(rows.toString()), columns, null);
        return read(spark, new ImageSource(List.of("frame"), List.of(frame)));
    }

    private static Runnable read(SparkSession spark, ImageSource source) {
        Preprocess preprocess = new Preprocess(4, 4, Preprocess.Crop.SQUASH, ImageRecipe.same(0, 1, 1));
        return () -> new ImageReader(spark, preprocess, 0, 2).read(source, null).close();
    }

    private static String packed(SparkSession spark, Path images, Path output) {
        return Tiny.does(
                        spark,
                        List.of("run.directory=" + output + "-run"),
                        false,
                        verbs -> verbs.pack(images.toString(), output.toString(), true))
                .err();
    }

    private static String name(String start, int i) {
        return start + "/" + "a long name ".repeat(5) + String.format(Locale.ROOT, "%06d", i) + ".png";
    }

    private static byte[] png() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            ImageIO.write(new BufferedImage(4, 4, BufferedImage.TYPE_INT_RGB), "png", out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    /** Writes images of two classes; {@code step} other than 1 puts them in another order than that of their names. */
    private static void tar(Path file, int images, int step) throws IOException {
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(Files.newOutputStream(file), "UTF-8")) {
            for (int i = 0; i < images; i++) {
                String name = name("images", i * step % images);
                entry(tar, name, PNG);
                entry(tar, name.replace(".png", ".cls"), Integer.toString(i % 2).getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    private static void entry(TarArchiveOutputStream tar, String name, byte[] content) throws IOException {
        TarArchiveEntry entry = new TarArchiveEntry(name);
        entry.setSize(content.length);
        tar.putArchiveEntry(entry);
        tar.write(content);
        tar.closeArchiveEntry();
    }

    /** Writes images of two classes that make two files of Parquet; those of the second have short names. */
    private static void files(Path folder, String name) throws IOException {
        for (int i = 0; i < PackVerb.IN_A_FILE + SMALL; i++) {
            boolean first = i < PackVerb.IN_A_FILE;
            Path file = folder.resolve(first ? "a/" + name + i + ".png" : "b/" + i + ".png");
            Files.createDirectories(file.getParent());
            Files.write(file, PNG);
        }
    }

    private interface Naming {
        String of(int i);
    }

    private static Dataset<Row> table(SparkSession spark, int images, Naming naming) {
        StructType columns = new StructType()
                .add("image", DataTypes.BinaryType)
                .add("label", DataTypes.StringType)
                .add("name", DataTypes.StringType);
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < images; i++) {
            rows.add(RowFactory.create(PNG, Integer.toString(i % 2), naming.of(i)));
        }
        return spark.createDataFrame(
                JavaSparkContext.fromSparkContext(spark.sparkContext()).parallelize(rows, 1), columns);
    }
}

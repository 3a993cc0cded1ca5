package dev.grft.spark.verbs;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.spark.run.OutputTable.Existing;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.spark.sql.SparkSession;

/**
 * Trains on a table of Delta Lake or Iceberg and writes predictions into another, as {@code src/test/tables/run.sh} has it run: these formats are
 * no dependencies of the build. Ends with a failure if anything is not as expected.
 */
final class LakeTables {
    private static final Map<String, Map<String, String>> FORMATS = Map.of(
            "delta",
            Map.of(
                    "spark.sql.extensions",
                    "io.delta.sql.DeltaSparkSessionExtension",
                    "spark.sql.catalog.spark_catalog",
                    "org.apache.spark.sql.delta.catalog.DeltaCatalog",
                    "spark.sql.sources.default", // of new tables
                    "delta"),
            "iceberg",
            Map.of(
                    "spark.sql.extensions",
                    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
                    "spark.sql.catalog.lake",
                    "org.apache.iceberg.spark.SparkCatalog",
                    "spark.sql.catalog.lake.type",
                    "hadoop"));

    private LakeTables() {}

    public static void main(String[] arguments) throws IOException {
        String format = arguments[0];
        Path folder = Path.of(arguments[1]);
        SparkSession.Builder builder = SparkSession.builder()
                .master("local[2]")
                .config("spark.ui.enabled", "false")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.sql.shuffle.partitions", "2")
                .config("spark.sql.warehouse.dir", folder.resolve("warehouse").toString())
                .config(
                        "spark.sql.catalog.lake.warehouse",
                        folder.resolve("warehouse").toString());
        Objects.requireNonNull(FORMATS.get(format)).forEach(builder::config);
        SparkSession spark = builder.getOrCreate();
        try {
            boolean iceberg = format.equals("iceberg");
            String in = iceberg ? "lake.db" : "db";
            spark.sql("CREATE DATABASE IF NOT EXISTS " + in);
            tries(spark, iceberg, in + ".photos", in + ".labels", folder);
        } finally {
            spark.stop();
        }
    }

    private static void tries(SparkSession spark, boolean iceberg, String photos, String labels, Path folder)
            throws IOException {
        Tiny.Shared shared = Tiny.Shared.in(Files.createDirectories(folder.resolve("tiny")));
        TablesTest.photos(spark, shared.train()).write().saveAsTable(photos);
        List<String> ofFolder = shared.sets(folder.resolve("of-folder"), "training.epochs=1");
        Tiny.does(spark, ofFolder, false, Verbs::train);

        Path run = folder.resolve("run");
        List<String> sets = shared.sets(run, "data.train=table:" + photos, "training.epochs=1");
        Tiny.does(spark, sets, false, Verbs::train);
        require(
                Tiny.tensors(run.resolve("delta.safetensors"))
                        .equals(Tiny.tensors(folder.resolve("of-folder").resolve("delta.safetensors"))),
                "the table trains as the folder");
        String first = snapshot(run, photos);
        System.out.println("snapshot in manifest.json: " + first);
        require(isUpToDate(spark, sets), "the same snapshot is up to date");

        String packed = folder.resolve("packed").toString();
        Tiny.does(spark, sets, false, verbs -> verbs.pack("table:" + photos, packed, true));
        require(spark.read().parquet(packed).count() == spark.table(photos).count(), "packed");
        require(
                Tiny.does(spark, sets, false, verbs -> verbs.pack("table:" + photos, packed, true))
                        .err()
                        .contains("is up to date with its images"),
                "packed once");

        // Other files, the same rows.
        spark.sql(
                iceberg
                        ? "CALL lake.system.rewrite_data_files(table => '" + photos.substring(5)
                                + "', options => map('rewrite-all', 'true'))"
                        : "OPTIMIZE " + photos);
        boolean same = isUpToDate(spark, sets);
        System.out.println("up to date after compaction: " + same);
        require(same, "compaction is no other data");

        spark.sql("INSERT INTO " + photos + " SELECT CONCAT('more/', path), image, label, shot FROM " + photos
                + " WHERE path = 'red/0.png'");
        require(!isUpToDate(spark, sets), "a row more is other data");
        String second = snapshot(run, photos);
        System.out.println("then: " + second);
        require(!second.equals(first), "another snapshot");
        String old = first.substring(first.lastIndexOf(' ') + 1);
        List<String> before = shared.sets(
                folder.resolve("before"),
                "data.train=sql:SELECT * FROM " + photos + " VERSION AS OF " + old,
                "training.epochs=1");
        Tiny.does(spark, before, false, Verbs::train);
        require(
                Tiny.tensors(folder.resolve("before").resolve("delta.safetensors"))
                        .equals(Tiny.tensors(folder.resolve("of-folder").resolve("delta.safetensors"))),
                "an earlier snapshot by a query");

        long all = spark.table(photos).count();
        Tiny.does(spark, sets, false, verbs -> verbs.predict("table:" + photos, "table:" + labels, List.of()));
        require(count(spark, labels) == all, "made");
        Tiny.does(
                spark,
                sets,
                false,
                verbs -> verbs.predict("table:" + photos, "table:" + labels, Existing.APPEND, List.of()));
        require(count(spark, labels) == 2 * all, "appended");
        Tiny.does(spark, sets, true, verbs -> verbs.predict("table:" + photos, "table:" + labels, List.of()));
        require(count(spark, labels) == all, "overwritten");
        List<String> array = shared.sets(run, "data.train=table:" + photos, "training.epochs=1", "predict.topK=2");
        for (Existing existing : List.of(Existing.APPEND, Existing.MERGE)) {
            String refused = "";
            try {
                Tiny.does(
                        spark,
                        array,
                        false,
                        verbs -> verbs.predict("table:no_such_table", "table:" + labels, existing, List.of()));
            } catch (UserError e) {
                refused = String.valueOf(e.getMessage());
            }
            System.out.println(existing + ": " + refused);
            require(refused.contains("does not take the columns of these predictions"), "other columns are refused");
        }
        long commits = iceberg
                ? spark.sql("SELECT * FROM " + labels + ".snapshots WHERE operation != 'delete'")
                        .count()
                : spark.sql("DESCRIBE HISTORY " + labels).count();
        System.out.println("commits of the predictions: " + commits);
        require(commits == 3, "one commit each");
        spark.sql("DELETE FROM " + labels + " WHERE name = 'red/1.png'");
        spark.sql("UPDATE " + labels + " SET label = 'none' WHERE name = 'red/0.png'");
        Tiny.does(
                spark,
                sets,
                false,
                verbs -> verbs.predict("table:" + photos, "table:" + labels, Existing.MERGE, List.of()));
        require(count(spark, labels) == all, "merged by name");
        require(spark.table(labels).where("label = 'none'").isEmpty(), "with the new rows");
    }

    private static long count(SparkSession spark, String table) {
        spark.catalog().refreshTable(table);
        return spark.table(table).count();
    }

    private static boolean isUpToDate(SparkSession spark, List<String> sets) {
        return Tiny.does(spark, sets, false, Verbs::train).err().contains("delta.safetensors is up to date");
    }

    private static String snapshot(Path run, String table) throws IOException {
        return new ObjectMapper()
                .readTree(Files.readString(run.resolve("manifest.json")))
                .path("data_snapshots")
                .path("table:" + table)
                .asText();
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError("not so: " + what);
        }
        System.out.println("seen: " + what);
    }
}

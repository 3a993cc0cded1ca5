package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.run.OutputTable;
import dev.grft.spark.run.OutputTable.Existing;
import dev.grft.spark.run.Session;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Images in tables of Spark's own catalog, and predictions into them. Other catalogs: {@code src/test/tables}. */
class TablesTest extends OnTiny {
    private static final StructType SCHEMA = new StructType()
            .add("path", DataTypes.StringType)
            .add("image", DataTypes.BinaryType)
            .add("label", DataTypes.StringType)
            .add("shot", DataTypes.createArrayType(DataTypes.StringType));

    @BeforeEach
    void makeTables() throws IOException {
        photos(spark, shared.train()).write().saveAsTable("photos");
        spark.sql("CREATE VIEW reds AS SELECT * FROM photos WHERE label = 'red'");
    }

    @AfterEach
    void dropTables() {
        spark.sql("DROP VIEW IF EXISTS reds");
        Stream.of("photos", "labels").forEach(name -> spark.sql("DROP TABLE IF EXISTS " + name));
    }

    /** Returns the images of a folder as rows. */
    static Dataset<Row> photos(SparkSession spark, Path images) throws IOException {
        List<Row> rows = new ArrayList<>();
        try (Stream<Path> files =
                Files.walk(images).filter(Files::isRegularFile).sorted()) {
            for (Path file : files.toList()) {
                rows.add(RowFactory.create(
                        images.relativize(file).toString(),
                        Files.readAllBytes(file),
                        file.getParent().getFileName().toString(),
                        new String[] {"not read"}));
            }
        }
        return spark.createDataFrame(rows, SCHEMA);
    }

    private List<String> sets(String run, String train) {
        return shared.sets(folder.resolve(run), "data.train=" + train, "training.epochs=1");
    }

    @Test
    void aTableAndAQueryTrainAsTheSameImagesInAFolder() {
        for (String train : List.of(
                shared.train().toString(), "table:photos", "sql:SELECT image, label, path FROM photos -- all\n;")) {
            String run = "run" + train.replaceAll("\\W", "");
            Tiny.does(spark, sets(run, train), false, Verbs::train);
            assertThat(Tiny.tensors(folder.resolve(run).resolve("delta.safetensors")))
                    .as(train)
                    .isEqualTo(Tiny.tensors(
                            folder.resolve("run" + shared.train().toString().replaceAll("\\W", ""))
                                    .resolve("delta.safetensors")));
            assertThat(Tiny.does(spark, sets(run, train), false, Verbs::train).err())
                    .as(train)
                    .contains("delta.safetensors is up to date with its inputs");
        }
        spark.sql("INSERT INTO photos SELECT CONCAT('more/', path), image, label, shot FROM photos LIMIT 1");
        assertThat(Tiny.does(spark, sets("runtablephotos", "table:photos"), false, Verbs::train)
                        .err())
                .as("a row more")
                .doesNotContain("up to date with its inputs");
    }

    @Test
    void aTableAndAQueryArePackedAsTheSameImagesInAFolder() throws IOException {
        packs(shared.train().toString(), "folder", true);
        List<String> images = rows("folder", "image.path", "image.bytes", "label");
        assertThat(images).isNotEmpty();
        for (String table : List.of("table:photos", "sql:SELECT image, label, path FROM photos")) {
            String packed = "packed" + table.replaceAll("\\W", "");
            assertThat(packs(table, packed, true))
                    .as(table)
                    .contains("packed " + images.size() + " images into 1 files");
            assertThat(rows(packed, "image.path", "image.bytes", "label"))
                    .as(table)
                    .isEqualTo(images);
            assertThat(packs(table, packed, true)).as(table).contains("is up to date with its images");
            assertThat(packs(table, packed + "-unlabeled", false)).as(table).contains("packed " + images.size());
            assertThat(spark.read()
                            .parquet(folder.resolve(packed + "-unlabeled").toString())
                            .columns())
                    .as(table)
                    .containsExactly("image");
        }
        spark.sql("INSERT INTO photos SELECT CONCAT('more/', path), image, label, shot FROM photos LIMIT 1");
        assertThatThrownBy(() -> packs("table:photos", "packedtablephotos", true))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("exists already and was not packed from these images");
        assertThatThrownBy(() -> packs("table:fotos", "wrong", true))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("table:fotos: cannot be read (");
    }

    private String packs(String images, String packed, boolean labeled) {
        String output = folder.resolve(packed).toString();
        return Tiny.does(spark, sets("pack", images), false, verbs -> verbs.pack(images, output, labeled))
                .err();
    }

    private List<String> rows(String packed, String... columns) {
        return spark.read().parquet(folder.resolve(packed).toString()).selectExpr(columns).collectAsList().stream()
                .map(row -> row.getString(0) + " " + Arrays.toString(row.<byte[]>getAs(1)) + " " + row.getString(2))
                .toList();
    }

    @Test
    void onlyQueriesAreRead() {
        for (String wrong :
                List.of("sql:DROP TABLE photos", "sql:INSERT INTO photos SELECT * FROM photos", "table:fotos")) {
            assertThatThrownBy(() -> Tiny.does(spark, sets("wrong", wrong), false, Verbs::train))
                    .as(wrong)
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith(wrong + ": cannot be read (")
                    .hasMessageEndingWith("is the catalog configured by spark.sql.catalog?");
        }
        assertThat(spark.table("photos").count()).isPositive();
        List<String> column = sets("wrong", "table:photos");
        column.add("data.labelColumn=class");
        assertThatThrownBy(() -> Tiny.does(spark, column, false, Verbs::train))
                .hasMessage(
                        "table:photos: there is no column class, only path, image, label, shot; set data.labelColumn");
    }

    @Test
    void predictionsComeToATableWholeAndAreAddedOrReplaced() throws IOException {
        List<String> sets = sets("predicted", shared.train().toString());
        Tiny.does(spark, sets, false, Verbs::train);
        long all = spark.table("photos").count();
        long reds = spark.table("reds").count();

        Tiny.does(spark, sets, false, verbs -> verbs.predict("table:photos", "table:labels", List.of()));
        assertThat(spark.table("labels").columns())
                .containsExactly("name", "label", "probability", "p_blue", "p_green", "p_red");
        assertThat(names()).hasSize((int) all).contains("red/0.png").doesNotHaveDuplicates();
        assertThatThrownBy(() ->
                        Tiny.does(spark, sets, false, verbs -> verbs.predict("table:reds", "table:labels", List.of())))
                .hasMessage(
                        "table:labels: exists already; give --append to add rows, --merge to put them in the place of"
                                + " those of the same name, or --force to replace all of them");

        Tiny.does(spark, sets, false, verbs -> verbs.predict("table:reds", "table:labels", Existing.APPEND, List.of()));
        assertThat(names()).hasSize((int) (all + reds));
        Tiny.does(spark, sets, true, verbs -> verbs.predict("table:reds", "table:labels", List.of()));
        assertThat(names()).hasSize((int) reds);

        assertThatThrownBy(() -> merge(sets, "table:reds", "table:labels"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("table:labels: cannot be merged into (")
                .hasMessageContaining("tables of Delta Lake and Iceberg can, with their spark.sql.extensions");
        assertThat(names()).as("as before").hasSize((int) reds);
        assertThatThrownBy(() -> merge(sets, "sql:SELECT * FROM reds UNION ALL SELECT * FROM reds", "table:merged"))
                .hasMessageContaining("table:merged: --merge needs images of different names, but 2 are called red/")
                .hasMessageContaining("the rows are in " + folder);
        merge(sets, "table:reds", "table:merged");
        assertThat(spark.table("merged").count()).isEqualTo(reds);

        spark.sql("INSERT INTO photos VALUES ('broken', X'00', 'red', array('x'))");
        assertThatThrownBy(() ->
                        Tiny.does(spark, sets, true, verbs -> verbs.predict("table:photos", "table:labels", List.of())))
                .hasMessageContaining("broken");
        assertThat(names()).as("as before").hasSize((int) reds);
        assertThatThrownBy(() -> Tiny.does(
                        spark, sets, false, verbs -> verbs.predict("table:reds", "x", Existing.APPEND, List.of())))
                .hasMessage("--append: is for a table of a catalog, but --output is x; give --output table:NAME");
        try (Stream<Path> left = Files.list(folder.resolve("predicted"))) {
            assertThat(left.map(path -> path.getFileName().toString()))
                    .noneMatch(name -> name.startsWith("predicted-"));
        }
    }

    @Test
    void aTableThatDoesNotTakeTheColumnsIsRefusedBeforeAnyImageIsRead() {
        List<String> sets = sets("columns", shared.train().toString());
        Tiny.does(spark, sets, false, Verbs::train);
        Tiny.does(spark, sets, false, verbs -> verbs.predict("table:reds", "table:labels", List.of()));
        long before = names().size();
        List<String> top = new ArrayList<>(sets);
        top.add("predict.topK=2");
        for (boolean force : new boolean[] {false, true}) {
            assertThatThrownBy(() -> Tiny.does(
                            spark,
                            top,
                            force,
                            verbs -> verbs.predict(
                                    "table:no_such_table",
                                    "table:labels",
                                    force ? Existing.REFUSE : Existing.APPEND,
                                    List.of())))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith("table:labels: does not take the columns of these predictions (")
                    .hasMessageContaining("`top`")
                    .hasMessageEndingWith("; change the table, set predict.topK, or choose another --output");
        }
        assertThat(names()).hasSize((int) before);
        assertThatThrownBy(() -> Tiny.does(
                        spark,
                        sets,
                        false,
                        verbs -> verbs.predict("table:no_such_table", "table:labels", Existing.APPEND, List.of())))
                .hasMessageStartingWith("table:no_such_table: cannot be read (");
    }

    @Test
    void newTablesOfDeltaLakeTakeNoBlanksInColumns() throws IOException {
        Session session =
                Session.in(spark, Tiny.settings(sets("delta", shared.train().toString())), System.err, System.err);
        String before = spark.conf().get("spark.sql.sources.default");
        spark.conf().set("spark.sql.sources.default", "delta");
        try (session) {
            OutputTable table = Objects.requireNonNull(OutputTable.of(session, "table:labels", Existing.REFUSE, false));
            table.requireTakes(new StructType().add("p_primrose", DataTypes.FloatType));
            StructType blank = new StructType().add("p_pink primrose", DataTypes.FloatType);
            assertThatThrownBy(() -> table.requireTakes(blank))
                    .isInstanceOf(UserError.class)
                    .hasMessage(
                            "table:labels: a new table of Delta Lake cannot have a column p_pink primrose; set predict.topK,"
                                    + " which puts the classes into an array, or"
                                    + " spark.databricks.delta.properties.defaults.columnMapping.mode=name");
            spark.conf().set("spark.databricks.delta.properties.defaults.columnMapping.mode", "name");
            Objects.requireNonNull(OutputTable.of(session, "table:labels", Existing.REFUSE, false))
                    .requireTakes(blank);
        } finally {
            spark.conf().set("spark.sql.sources.default", before);
            spark.conf().unset("spark.databricks.delta.properties.defaults.columnMapping.mode");
        }
    }

    @Test
    void rowsOfOneNameAreBrokenEach() {
        List<String> sets = sets("named", shared.train().toString());
        Tiny.does(spark, sets, false, Verbs::train);
        String images = "sql:SELECT unhex(NULL) AS image FROM reds UNION ALL (SELECT image FROM reds LIMIT 1)";
        long none = spark.table("reds").count(); // without bytes, and so called by the digest of none

        List<String> most = new ArrayList<>(sets);
        most.add("data.maxBroken=0.8"); // which one more is above
        assertThatThrownBy(
                        () -> Tiny.does(spark, most, false, verbs -> verbs.predict(images, "table:labels", List.of())))
                .hasMessageContaining(": " + none + " of " + (none + 1) + " images (")
                .hasMessageContaining("; and " + (none - 1) + " more], data.maxBroken allows 80.0 %");
        String hash = Inputs.digest("table:labels").substring(0, 16);
        assertThat(folder.resolve("named/predict-" + hash + ".json"))
                .content()
                .contains("\"images\" : " + (none + 1), "\"count\" : " + none);
        most.add("data.maxBroken=1");
        assertThat(Tiny.does(spark, most, false, verbs -> verbs.predict(images, "table:labels", List.of()))
                        .err())
                .contains("read 1 images, " + none + " of " + (none + 1) + " images (", "predicted 1 images into");
        assertThat(names()).hasSize(1);
    }

    @Test
    void onlyTheFilesThatCountComeToATable() throws IOException {
        Path staged = folder.resolve("staged");
        spark.sql("SELECT path AS name, label FROM photos")
                .repartition(2)
                .write()
                .parquet(staged.toString());
        List<String> files;
        try (Stream<Path> all = Files.list(staged)) {
            files = all.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".parquet"))
                    .toList();
        }
        long rows =
                spark.read().parquet(staged.resolve(files.get(0)).toString()).count();
        Session session =
                Session.in(spark, Tiny.settings(sets("saved", shared.train().toString())), System.err, System.err);
        try (session) {
            session.claim();
            Objects.requireNonNull(OutputTable.of(session, "table:labels", Existing.REFUSE, false))
                    .save(staged.toString(), files.subList(0, 1));
        }
        assertThat(files).hasSize(2);
        assertThat(spark.table("labels").count())
                .isEqualTo(rows)
                .isLessThan(spark.table("photos").count());
    }

    private static void merge(List<String> sets, String images, String table) {
        Tiny.does(spark, sets, false, verbs -> verbs.predict(images, table, Existing.MERGE, List.of()));
    }

    private static List<String> names() {
        spark.catalog().refreshTable("labels"); // written in another session
        return spark.table("labels")
                .select("name")
                .javaRDD()
                .map(row -> row.getString(0))
                .collect();
    }
}

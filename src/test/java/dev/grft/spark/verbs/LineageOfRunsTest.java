package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.config.Settings;
import dev.grft.report.lineage.Events;
import dev.grft.spark.cluster.Stopped;
import dev.grft.spark.images.FrameColumns;
import dev.grft.spark.run.Session;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Which data whole runs report to OpenLineage. */
class LineageOfRunsTest extends OnTiny {
    private static final PrintStream NOWHERE = new PrintStream(OutputStream.nullOutputStream());

    private List<String> sets(String run, String... more) {
        List<String> sets = shared.sets(folder.resolve(run), more);
        sets.addAll(List.of("lineage.uri=" + events(), "lineage.timeoutSeconds=60")); // a loaded machine takes long
        return sets;
    }

    private Path events() {
        return folder.resolve("events.jsonl");
    }

    @AfterEach
    void dropTables() {
        List.of("photos", "labels", "chosen").forEach(name -> spark.sql("DROP TABLE IF EXISTS " + name));
    }

    private JsonNode last() throws Exception {
        List<JsonNode> events = Events.lines(events());
        return events.get(events.size() - 1);
    }

    private static String version(JsonNode dataset) {
        return dataset.at("/facets/version/datasetVersion").asText();
    }

    private static void does(List<String> sets, Consumer<Verbs> verb) {
        try (Session session = Session.in(spark, Tiny.settings(sets), NOWHERE, NOWHERE)) {
            session.run(() -> verb.accept(new Verbs(session, false)));
        }
    }

    @Test
    void aRunReadsImagesAndAModelAndWritesADeltaAndAModel() throws Exception {
        Path run = folder.resolve("birds");
        does(sets("birds"), Verbs::run);

        List<JsonNode> events = Events.lines(events());
        assertThat(Events.types(events)).containsExactly("START", "COMPLETE");
        JsonNode end = events.get(1);
        assertThat(end.at("/job/name").asText()).isEqualTo("work.birds");
        JsonNode manifest = new ObjectMapper().readTree(Files.readString(run.resolve("manifest.json")));
        JsonNode train = Events.dataset(end, "inputs", shared.train().toString());
        assertThat(train.path("namespace").asText()).isEqualTo("file");
        assertThat(version(train)).isEqualTo(manifest.path("data_digest").asText());
        assertThat(train.at("/inputFacets/inputStatistics/rowCount").asLong()).isEqualTo(18);
        assertThat(train.at("/inputFacets/inputStatistics/fileCount").asLong()).isEqualTo(18);
        assertThat(train.at("/inputFacets/inputStatistics/size").asLong()).isPositive();
        assertThat(version(Events.dataset(end, "inputs", ".safetensors")))
                .isEqualTo(manifest.path("pretrained_sha256").asText());
        assertThat(end.path("inputs")).hasSize(3); // and the test images
        JsonNode delta = Events.dataset(end, "outputs", "/birds/delta.safetensors");
        assertThat(delta.at("/facets/datasetType/datasetType").asText()).isEqualTo("MODEL");
        assertThat(delta.at("/outputFacets/outputStatistics/size").asLong())
                .isEqualTo(Files.size(run.resolve("delta.safetensors")));
        Events.dataset(end, "outputs", "/birds/merged.safetensors");
        Events.dataset(end, "outputs", "/birds/evaluation.json");
        Events.dataset(end, "outputs", "/birds/report.html");

        does(sets("birds"), Verbs::train);
        JsonNode again = last();
        assertThat(Events.dataset(again, "outputs", "/birds/delta.safetensors").has("outputFacets"))
                .as("up to date: nothing was written")
                .isFalse();
        Events.dataset(again, "inputs", shared.train().toString());
        assertThat(again.at("/run/runId")).isNotEqualTo(end.at("/run/runId"));

        Path packed = folder.resolve("packed");
        for (boolean first : new boolean[] {true, false}) {
            does(sets("birds"), verbs -> verbs.pack(shared.train().toString(), packed.toString(), true));
            JsonNode output = Events.dataset(last(), "outputs", "/packed");
            assertThat(Events.dataset(last(), "inputs", shared.train().toString())
                            .at("/inputFacets/inputStatistics/fileCount")
                            .asLong())
                    .isEqualTo(18);
            assertThat(output.at("/outputFacets/outputStatistics/rowCount").asLong())
                    .isEqualTo(first ? 18 : 0);
            if (first) {
                assertThat(output.at("/facets/schema/fields/1/name").asText()).isEqualTo("label");
                assertThat(output.at("/outputFacets/outputStatistics/fileCount").asLong())
                        .isEqualTo(1);
            }
        }

        does(
                sets("birds"),
                verbs -> verbs.predict(
                        packed.toString(), folder.resolve("labels").toString(), List.of()));
        JsonNode predicted = last();
        Events.dataset(predicted, "inputs", "/birds/delta.safetensors");
        assertThat(Events.dataset(predicted, "inputs", "/packed")
                        .at("/facets/schema/fields/0/type")
                        .asText())
                .isEqualTo("struct<bytes:binary,path:string>");
        assertThat(Events.dataset(predicted, "inputs", "/packed")
                        .at("/inputFacets/inputStatistics/rowCount")
                        .asLong())
                .isEqualTo(18);
        JsonNode labels = Events.dataset(predicted, "outputs", "/labels");
        assertThat(labels.at("/outputFacets/outputStatistics/rowCount").asLong())
                .isEqualTo(18);
        assertThat(labels.at("/facets/schema/fields/0/name").asText()).isEqualTo("name");
    }

    @Test
    void tablesAndQueriesAreReportedByPlaceAndName() throws Exception {
        TablesTest.photos(spark, shared.train()).write().saveAsTable("photos");
        does(sets("tables", "data.train=table:photos", "training.epochs=1"), Verbs::train);
        JsonNode photos = Events.dataset(last(), "inputs", "/photos");
        assertThat(photos.path("namespace").asText()).isEqualTo("file");
        assertThat(photos.at("/facets/symlinks/identifiers/0/name").asText()).isEqualTo("default.photos");
        assertThat(photos.at("/facets/datasetType/datasetType").asText()).isEqualTo("TABLE");
        assertThat(photos.at("/facets/schema/fields/1/type").asText()).isEqualTo("binary");
        assertThat(photos.at("/inputFacets/inputStatistics/rowCount").asLong()).isEqualTo(18);
        assertThat(version(photos))
                .isEqualTo(new ObjectMapper()
                        .readTree(Files.readString(folder.resolve("tables/manifest.json")))
                        .path("data_digest")
                        .asText());

        spark.sql("CREATE TABLE chosen USING parquet AS SELECT path FROM photos");
        String query = "sql:SELECT image, path FROM photos WHERE path IN (SELECT path FROM chosen)";
        does(sets("tables"), verbs -> verbs.predict(query, "table:labels", List.of()));
        JsonNode end = last();
        Events.dataset(end, "inputs", "/photos");
        Events.dataset(end, "inputs", "/chosen");
        Events.dataset(end, "inputs", "/tables/delta.safetensors");
        assertThat(end.path("outputs")).hasSize(1);
        JsonNode labels = Events.dataset(end, "outputs", "/labels");
        assertThat(labels.at("/outputFacets/outputStatistics/rowCount").asLong())
                .isEqualTo(18);
        assertThat(labels.at("/facets/symlinks/identifiers/0/name").asText()).isEqualTo("default.labels");
        assertThat(labels.at("/facets/schema/fields/1/name").asText()).isEqualTo("label");
    }

    @Test
    void aSelectionThatTrainFindsIsItsInput() throws Exception {
        does(sets("two"), Verbs::select);
        Events.dataset(last(), "outputs", "/two/selection.safetensors");
        does(sets("two"), Verbs::select);
        Events.dataset(last(), "outputs", "/two/selection.safetensors");
        does(sets("two"), Verbs::train);
        Events.dataset(last(), "inputs", "/two/selection.safetensors");
        Events.dataset(last(), "outputs", "/two/delta.safetensors");
        assertThat(last().path("outputs").toString()).doesNotContain("selection.safetensors");

        Path adapter = folder.resolve("adapter");
        Settings.Lineage lineage = Tiny.settings(sets("two")).lineage();
        new ReportedExport(new Configuration(), lineage, () -> null)
                .export("timm", folder.resolve("two").toString(), null, null, adapter.toString());
        assertThat(last().at("/job/name").asText()).isEqualTo("export.two");
        assertThat(last().path("eventType").asText()).isEqualTo("COMPLETE");
        Events.dataset(last(), "inputs", "/two/delta.safetensors");
        assertThat(Events.dataset(last(), "outputs", "/adapter")
                        .at("/outputFacets/outputStatistics/size")
                        .asLong())
                .isPositive();
        assertThatThrownBy(() -> new ReportedExport(new Configuration(), lineage, () -> "--max-time is over")
                        .export("timm", folder.resolve("none").toString(), null, null, adapter.toString()))
                .isInstanceOf(UserError.class);
        assertThat(last().path("eventType").asText()).isEqualTo("ABORT");
    }

    @Test
    void fitIsReportedAndTransformIsNot() throws Exception {
        Dataset<Row> rows = TablesTest.photos(spark, shared.train())
                .withColumn(
                        "label",
                        functions.expr("cast(case label when 'blue' then 0 when 'green' then 1 else 2 end as double)"));
        Frames.Trained first = fit(rows, folder.resolve("runs").toString());
        List<JsonNode> events = Events.lines(events());
        assertThat(Events.types(events)).containsExactly("START", "COMPLETE");
        assertThat(events.get(1).at("/job/name").asText()).startsWith("fit.");
        Labeler.of(spark, Tiny.settings(sets("fit")), first.delta());
        assertThat(Events.lines(events())).as("transform").hasSize(2);
        fit(rows, null);
        assertThat(Events.lines(events())).as("nothing of it stays").hasSize(2);
        Frames.Trained again = fit(rows, folder.resolve("runs").toString(), "lineage.job=b", "tracking.experiment=c");
        assertThat(again.directory()).as("the same run").isEqualTo(first.directory());
    }

    private Frames.Trained fit(Dataset<Row> rows, @Nullable String runs, String... more) {
        Settings settings = Tiny.settings(sets("fit", more));
        FrameColumns columns = new FrameColumns("image", "label", null, null);
        return Frames.train(settings, runs, rows, null, columns, null, classes -> {}, NOWHERE);
    }

    @Test
    void imagesThatArePredictedAreNotCountedBefore() throws Exception {
        Path packed = folder.resolve("packed");
        List<String> sets = shared.sets(folder.resolve("plain"));
        does(sets, verbs -> verbs.pack(shared.train().toString(), packed.toString(), true));
        List<String> jobs = Collections.synchronizedList(new ArrayList<>());
        SparkListener listener = new SparkListener() {
            @Override
            public void onStageSubmitted(SparkListenerStageSubmitted stage) {
                jobs.add(stage.stageInfo().name());
            }
        };
        Tiny.heardBy(listener, spark.sparkContext(), () -> {
            try (Session session = Session.in(spark, Tiny.settings(sets), NOWHERE, NOWHERE)) {
                assertThat(session.main()
                                .images()
                                .unlabeled(packed.toString())
                                .source()
                                .get())
                        .isNotNull();
                spark.range(3).collectAsList(); // a job that is seen
            }
        });
        assertThat(jobs).isNotEmpty().noneMatch(job -> job.startsWith("count"));
    }

    @Test
    void aRunThatFailsOrIsStoppedSaysWhatItHasRead() throws Exception {
        try (Session session = Session.in(
                spark, Tiny.settings(sets("failed", "data.test=" + folder.resolve("none"))), NOWHERE, NOWHERE)) {
            assertThatThrownBy(() -> session.run(() -> new Verbs(session, false).evaluate()))
                    .isInstanceOf(UserError.class);
        }
        assertThat(last().path("eventType").asText()).isEqualTo("FAIL");
        assertThat(last().at("/run/facets/errorMessage/message").asText())
                .endsWith("delta.safetensors: there is no delta to evaluate; train first");

        try (Session session = Session.in(spark, Tiny.settings(sets("stopped")), NOWHERE, NOWHERE)) {
            assertThatThrownBy(() -> session.run(() -> {
                        run(session);
                        session.watch().stop("--max-time is over");
                        session.watch().check();
                    }))
                    .isInstanceOf(Stopped.class);
        }
        JsonNode end = last();
        assertThat(end.path("eventType").asText()).isEqualTo("ABORT");
        assertThat(end.at("/run/facets/errorMessage/message").asText()).contains("--max-time is over");
        Events.dataset(end, "inputs", shared.train().toString());
    }

    private static void run(Session session) {
        session.main().images().training();
    }
}

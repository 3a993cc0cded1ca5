package dev.grft.spark.verbs;

import dev.grft.Delta;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.artifact.MergedFile;
import dev.grft.checkpoint.artifact.SparkModel;
import dev.grft.config.Settings;
import dev.grft.data.ImageRecipe;
import dev.grft.report.MlflowModel;
import dev.grft.report.Report;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.run.OutputTable;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.RunImages;
import dev.grft.spark.run.Session;
import dev.grft.spark.training.EpochChoice;
import dev.grft.tuning.Method;
import java.util.List;
import org.apache.hadoop.fs.Path;

/**
 * What the job can do. Each verb reads what the one before has left in the run directory, and leaves its own. Done again with
 * the same inputs it does nothing, unless forced.
 */
public final class Verbs {
    private final Run run;
    private final Session session;
    private final boolean force;

    /** Returns the verbs of a session; {@code force} makes again what is there. */
    public Verbs(Session session, boolean force) {
        this.run = session.main();
        this.session = session;
        this.force = force;
    }

    /** Says what would run, and refuses what could not. */
    public void check() {
        if (run.settings().model().pretrained() == null
                && run.settings().model().preset() != null) {
            new CheckVerb(run, force).checkNew();
        } else {
            Images images = new CheckVerb(run.forMethod(run.method()), force).check();
            run.compared()
                    .forEach(method -> new CheckVerb(run.forMethod(method), force).memoryOf(method.word(), images));
            new CompareVerb(run, force).check(images);
        }
        printDirectory();
    }

    /** Scores the slices and selects the best. */
    public void select() {
        session.claim();
        new SelectVerb(run.forMethod(Method.GRFT), force).selection();
        printDirectory();
    }

    /** Trains by {@code tuning.method}. */
    public void train() {
        session.claim();
        train(run.method());
        printDirectory();
    }

    /** Finds a learning rate for the method of the run, which it does not train. */
    public void rates() {
        session.claim();
        new RatesVerb(run.forMethod(run.method()), force).find();
        printDirectory();
    }

    /** Measures the delta on the test images. */
    public void evaluate() {
        session.claim();
        evaluate(run.method());
        session.out().print(run.artifacts().metrics().table(List.of(run.method().word())));
        printDirectory();
    }

    /** Writes the fine-tuned model as a plain one. */
    public void merge() {
        session.claim();
        mergeDelta();
        printDirectory();
    }

    private void mergeDelta() {
        Path deltaPath = run.directory().path("delta.safetensors");
        run.artifacts().requireDelta(deltaPath, "to merge");
        Path path = run.directory().path(MergedFile.NAME);
        DeltaFile file = run.models().delta(deltaPath);
        Checkpoint pretrained = run.models().pretrained().with(recipe(deltaPath, file));
        String inputs = Inputs.digest(
                "merge",
                session.storage().sha256(deltaPath),
                pretrained.identity(),
                pretrained.recipe().toString(),
                Integer.toString(run.settings().model().imageSize()),
                run.settings().model().saveType());
        run.artifacts().artifact(path, inputs, force, () -> path, () -> {
            run.artifacts()
                    .replace(
                            path,
                            () -> MergedFile.write(
                                    session.hadoop(),
                                    run.directory().toString(),
                                    pretrained,
                                    file.delta(),
                                    PretrainVerb.dtype(run.settings().model().saveType())));
            session.progress().say("merged into %s", path);
            return path;
        });
        if (run.settings().tracking().sendsModel()) {
            Settings training = run.training(deltaPath, file);
            Settings prepared = training == null ? run.settings() : training;
            Delta delta = file.delta();
            SparkModel spark = new SparkModel(
                    deltaPath,
                    session.storage()
                            .qualified(new Path(
                                    String.valueOf(run.settings().model().pretrained())))
                            .toString(),
                    pretrained.sha256(),
                    session.spark().version());
            run.tracked(path.getParent(), true)
                    .model(new MlflowModel(
                            path,
                            spark,
                            delta.task(),
                            delta.labels(),
                            file.thresholds(),
                            prepared.data().exif(),
                            prepared.evaluation().flip()));
        }
    }

    /** Returns the recipe by which images were prepared in the training of a delta; that of the run if it cannot be known. */
    private ImageRecipe recipe(Path path, DeltaFile file) {
        Settings training = run.training(path, file);
        if (training == null) {
            return run.images().preprocess().recipe();
        }
        run.images().differences(training).stream()
                .filter(difference -> difference.startsWith(RunImages.SIDE))
                .forEach(difference -> session.progress()
                        .say("note: %s was trained with %s; set the same to merge at that size", path, difference));
        return run.images().recipe(training);
    }

    /** Labels images with the run's delta, or with others; see {@code PredictVerb}. */
    public void predict(String images, String output, List<String> deltas) {
        predict(images, output, OutputTable.Existing.REFUSE, deltas);
    }

    /** Does the same; {@code existing} says what becomes of a table of a catalog that is there. */
    public void predict(String images, String output, OutputTable.Existing existing, List<String> deltas) {
        new PredictVerb(run, force).predict(images, output, existing, deltas);
        printDirectory();
    }

    /** Trains every parameter, from scratch or on. */
    public void pretrain() {
        session.claim();
        new PretrainVerb(run, force).pretrain();
        session.out().print(run.artifacts().metrics().table(List.of("pretrain")));
        printDirectory();
    }

    /** Trains and evaluates methods by seeds by budgets; see {@code CompareVerb}. */
    public void compare() {
        session.claim();
        new CompareVerb(run, force).compare();
        writeReport();
        printDirectory();
    }

    /** Selects, trains, merges and evaluates, and does the same by the methods to compare with. */
    public void run() {
        session.claim();
        Method main = run.method();
        List<Method> methods = run.compared();
        int random = methods.indexOf(Method.RANDOM); // beside which the main method is shown
        methods.add(random < 0 ? methods.size() : random, main);
        methods.stream()
                .map(run::forMethod)
                .map(Run::settings)
                .forEach(
                        settings -> { // refuse now, not later
                            EpochChoice.split(settings);
                            settings.training().rate();
                        });
        run.images().testListing(); // likewise
        boolean mergeable = false;
        for (Method method : methods) {
            DeltaFile trained = train(method); // not kept: that of a full fine-tuning is as large as the model
            if (method.equals(main)) {
                mergeable = trained.delta().isMergeable();
            }
        }
        if (mergeable) {
            mergeDelta();
        } else {
            session.progress().say("not merged: adapters cannot be merged into a plain ViT");
        }
        methods.forEach(this::evaluate);
        session.out()
                .print(run.artifacts()
                        .metrics()
                        .table(methods.stream().map(Method::word).toList()));
        writeReport();
        printDirectory();
    }

    /** Packs the images at a path into Parquet; see {@code PackVerb}. */
    public void pack(String images, String output, boolean labeled) {
        new PackVerb(run, force).pack(images, output, labeled);
    }

    /** Packs labeled images into files of a number of them. */
    void packInto(int inAFile, String images, String output) {
        new PackVerb(run, force, inAFile).pack(images, output, true);
    }

    /** Writes {@code report.html} of what the run directory holds by now. */
    public void report() {
        writeReport();
        printDirectory();
    }

    private void writeReport() {
        session.requireClaim();
        Path path = Report.write(session.hadoop(), run.directory().path());
        run.artifacts().made(path.toString());
        run.tracked(path.getParent(), true).files(path);
        session.out().println("report: " + path);
    }

    private DeltaFile train(Method method) {
        return new TrainVerb(run.forMethod(method), force).delta();
    }

    private void evaluate(Method method) {
        new EvaluateVerb(run.forMethod(method), force).evaluate();
    }

    private void printDirectory() {
        session.out().println("run directory: " + run.directory());
    }
}

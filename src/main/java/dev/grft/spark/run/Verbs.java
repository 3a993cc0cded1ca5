package dev.grft.spark.run;

import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.artifact.MergedFile;
import dev.grft.report.Report;
import dev.grft.spark.images.Inputs;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Path;

/**
 * What the job can be told to do. Each verb reads what the one before has left in the run directory, and leaves its own; done
 * again with the same inputs it does nothing, unless forced.
 */
public final class Verbs {
    private final Session session;
    private final boolean force;

    /** Returns the verbs of a session; {@code force} makes again what is there. */
    public Verbs(Session session, boolean force) {
        this.session = session;
        this.force = force;
    }

    /** Says what would run, and refuses what could not. */
    public void check() {
        new Checking(session.forMethod(session.settings().tuning().method())).check();
        printDirectory();
    }

    /** Scores the slices and selects the best. */
    public void select() {
        new Selecting(session.forMethod(DeltaFile.GRFT), force).selection();
        printDirectory();
    }

    /** Trains by {@code tuning.method}. */
    public void train() {
        train(session.settings().tuning().method());
        printDirectory();
    }

    /** Measures the delta on the test images. */
    public void evaluate() {
        String method = session.settings().tuning().method();
        evaluate(method);
        session.out().print(session.metrics().table(List.of(method)));
        printDirectory();
    }

    /** Writes the fine-tuned model as a plain one. */
    public void merge() {
        mergeDelta();
        printDirectory();
    }

    private void mergeDelta() {
        Path deltaPath = session.directory().path("delta.safetensors");
        session.requireDelta(deltaPath, "to merge");
        Path path = session.directory().path(MergedFile.NAME);
        String inputs = Inputs.digest(
                "merge",
                session.storage().sha256(deltaPath),
                session.pretrained().sha256(),
                Integer.toString(session.settings().model().imageSize()),
                session.settings().model().saveType());
        session.artefact(path, inputs, force, () -> path, () -> {
            MergedFile.write(
                    session.hadoop(),
                    session.directory().toString(),
                    session.pretrained(),
                    session.delta(deltaPath),
                    Pretraining.dtype(session.settings().model().saveType()));
            session.progress().say("merged into %s", path);
            return path;
        });
    }

    /** Labels images with the run's delta, or with others; see {@code Predicting}. */
    public void predict(String images, String output, List<String> deltas) {
        new Predicting(session).predict(images, output, deltas, force);
        printDirectory();
    }

    /** Trains every number, from scratch or on. */
    public void pretrain() {
        new Pretraining(session, force).pretrain();
        session.out().print(session.metrics().table(List.of("pretrain")));
        printDirectory();
    }

    /** Trains and evaluates methods by seeds by budgets; see {@code Comparing}. */
    public void compare() {
        new Comparing(session, force).compare();
        writeReport();
        printDirectory();
    }

    /** Selects, trains, merges and evaluates, and does the same by the methods to compare with. */
    public void run() {
        String main = session.settings().tuning().method();
        List<String> methods = new ArrayList<>(session.settings().compare().methods());
        methods.add(methods.contains("random") ? methods.indexOf("random") : methods.size(), main);
        methods.forEach(method -> EpochChoice.split(session.forMethod(method).settings())); // refuse now, not later
        methods.forEach(this::train);
        if (main.equals("adapter")) {
            session.progress().say("not merged: a plain ViT has no place for adapters");
        } else {
            mergeDelta();
        }
        methods.forEach(this::evaluate);
        session.out().print(session.metrics().table(methods));
        writeReport();
        printDirectory();
    }

    /** Packs the images at a path into Parquet; see {@code Packing}. */
    public void pack(String images, String output, boolean labeled) {
        new Packing(session).pack(images, output, labeled, force);
    }

    /** Writes {@code report.html} of what the run directory holds by now. */
    public void report() {
        writeReport();
        printDirectory();
    }

    private void writeReport() {
        Path path = Report.write(session.hadoop(), session.directory().path());
        session.tracked(path.getParent(), true).files(path);
        session.out().println("report: " + path);
    }

    private void train(String method) {
        new Training(session.forMethod(method), force).delta();
    }

    private void evaluate(String method) {
        new Evaluating(session.forMethod(method), force).evaluate();
    }

    private void printDirectory() {
        session.out().println("run directory: " + session.directory());
    }
}

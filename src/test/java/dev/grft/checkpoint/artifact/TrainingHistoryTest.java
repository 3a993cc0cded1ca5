package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.grft.checkpoint.artifact.TrainingHistory.Epoch;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.measures.Measure;
import dev.grft.report.History;
import dev.grft.report.Progress;
import dev.grft.report.Tracking;
import dev.grft.train.Trainer;
import java.nio.file.Files;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingHistoryTest {
    private static final Storage STORAGE = new Storage(new Configuration());

    @TempDir
    java.nio.file.Path folder;

    private History history(long step) {
        Path path = new Path(folder + "/history.jsonl");
        Settings settings = Config.load(List.of(), List.of(), new Configuration());
        Tracking none = new Tracking(settings.tracking(), STORAGE, new Progress(System.err), "");
        return new History(STORAGE, path, step, none.run(path.getParent(), settings, true));
    }

    private TrainingHistory read() {
        return TrainingHistory.in(STORAGE, new Path(folder.toString()));
    }

    /** Adds steps as a training makes them; the loss of each is the number of its epoch, the accuracy a hundredth of it. */
    private static void train(History history, long first, long end, int images, int batch, boolean measured) {
        for (long step = first; step <= end; step++) {
            long epoch = (step - 1) * batch / images + 1;
            double shown = (double) step * batch / images;
            history.add(new Trainer.Step(step, end, shown, epoch, 0, 0.1, 1, batch, 1, 0));
            if (measured && step * batch / images == epoch) {
                history.add(step, shown, "validation", Map.of(Measure.ACCURACY, epoch / 100.0), Measure.ACCURACY, true);
            }
        }
    }

    private static void assertEpochs(TrainingHistory history, int epochs, boolean measured) {
        assertThat(history.epochs()).extracting(Epoch::number).hasSize(epochs).doesNotHaveDuplicates();
        for (Epoch epoch : history.epochs()) {
            assertThat(epoch.loss()).isCloseTo(epoch.number(), within(1e-9));
            assertThat(epoch.measures()).isEqualTo(measured ? Map.of("accuracy", epoch.number() / 100.0) : Map.of());
            assertThat(epoch.best()).isEqualTo(measured);
        }
    }

    /** The step before the end of epoch 11 has shown each image 10.99998 times; the lines fill two files. */
    @Test
    void aStepJustBeforeTheEndOfAnEpochBelongsToIt() {
        History history = history(0);
        train(history, 1, 12 * 100_003L / 64 + 1, 100_003, 64, true);
        history.write();

        assertThat(folder.resolve("history-2.jsonl")).isNotEmptyFile();
        TrainingHistory read = read();
        assertThat(read.steps()).isEqualTo(18_751);
        assertEpochs(read, 12, true);
    }

    @Test
    void epochsThatNobodyMeasuresEndToo() {
        History history = history(0);
        train(history, 1, 15, 10, 2, false);
        history.write();

        assertEpochs(read(), 3, false);
    }

    @Test
    void whatADivergenceHasUndoneDoesNotCount() {
        History history = history(0);
        train(history, 1, 12, 10, 2, true);
        history.write();
        History back = history(7);
        back.add(7, 12, 0.05);
        train(back, 8, 15, 10, 2, true);
        back.write();

        assertThat(read().steps()).isEqualTo(15);
        assertEpochs(read(), 3, true);
    }

    @Test
    void aTrainingThatWasResumedHasOneHistory() {
        History history = history(0);
        train(history, 1, 9, 10, 2, true);
        history.write();
        History resumed = history(6);
        train(resumed, 7, 20, 10, 2, true);
        resumed.write();

        assertEpochs(read(), 4, true);
    }

    @Test
    void aTrainingWithoutStepsHasNone() throws Exception {
        assertThat(read()).isEqualTo(new TrainingHistory(List.of(), 0));
        Files.createFile(folder.resolve("history.jsonl"));
        assertThat(read()).isEqualTo(new TrainingHistory(List.of(), 0));
    }
}

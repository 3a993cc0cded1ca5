package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProgressTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final Progress progress = new Progress(new PrintStream(bytes, true, StandardCharsets.UTF_8));

    private String printed() {
        return bytes.toString(StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @CsvSource({
        "-3, 0:00",
        "0, 0:00",
        "0.4, 0:00",
        "0.6, 0:01",
        "59.6, 1:00",
        "754, 12:34",
        "3599.4, 59:59",
        "3599.6, 1:00:00",
        "45296, 12:34:56",
        "360000, 100:00:00"
    })
    void aDurationIsToldInMinutesOrHours(double seconds, String expected) {
        assertThat(Progress.time(seconds)).isEqualTo(expected);
    }

    @Test
    void aSentenceIsFormattedOnlyIfItHasArguments() {
        progress.say("100 % of %s");
        progress.say("%.1f %% of %s", 1.5, "it");

        assertThat(printed()).isEqualTo("100 % of %s\n1.5 % of it\n");
    }

    @Test
    void aPhaseIsToldAtItsEndAndNotAtEveryBatch() {
        Progress.Meter meter = progress.phase("score", 3000);

        for (int i = 0; i < 3000; i++) {
            meter.add(1, "step " + i);
        }

        assertThat(printed().lines().count()).isLessThan(100);
        assertThat(printed().lines().reduce("", (first, last) -> last))
                .matches("score step 2999, 3000/3000 images, \\d+ images/s, 0:00 left");
    }

    @Test
    void imagesOfAnEarlierRunAreDoneButDoNotCountForTheSpeed() throws Exception {
        Progress.Meter meter = progress.phase("train", 1_000_010);

        meter.skip(1_000_000);
        Thread.sleep(20);
        meter.add(10, "");

        assertThat(printed()).matches("train 1000010/1000010 images, \\d{1,3} images/s, 0:00 left\n");
        assertThat(meter.seconds()).isBetween(0.02, 60.0);
    }

    @Test
    void inATerminalOneLineChangesUntilThePhaseIsOverAndSentencesEraseIt() throws Exception {
        Progress.Meter meter =
                new Progress(new PrintStream(bytes, true, StandardCharsets.UTF_8), true).phase("train", 10);
        Thread.sleep(300);
        meter.add(4, "");
        Thread.sleep(300);
        meter.add(6, "");

        assertThat(printed())
                .matches("\r\u001b\\[Ktrain 4/10 images, [^\n]* left\r\u001b\\[Ktrain 10/10 images, [^\n]* left\n");
    }

    @Test
    void aSentenceBetweenErasesTheLineThatChanges() throws Exception {
        Progress terminal = new Progress(new PrintStream(bytes, true, StandardCharsets.UTF_8), true);
        Progress.Meter meter = terminal.phase("train", 10);
        Thread.sleep(300);
        meter.add(4, "");
        terminal.say("epoch 1");
        terminal.say("epoch 2");

        assertThat(printed()).endsWith(" left\r\u001b[Kepoch 1\nepoch 2\n");
    }

    @Test
    void aFileIsNoTerminal(@org.junit.jupiter.api.io.TempDir java.nio.file.Path folder) throws Exception {
        java.nio.file.Path pointer = folder.resolve("fd");
        java.nio.file.Files.createSymbolicLink(pointer, java.nio.file.Path.of("/tmp/log.txt"));
        assertThat(Progress.isTerminal(pointer)).isFalse();
        assertThat(Progress.isTerminal(folder.resolve("none"))).isFalse();
        java.nio.file.Path terminal = folder.resolve("fd2");
        java.nio.file.Files.createSymbolicLink(terminal, java.nio.file.Path.of("/dev/pts/0"));
        assertThat(Progress.isTerminal(terminal)).isTrue();
    }
}

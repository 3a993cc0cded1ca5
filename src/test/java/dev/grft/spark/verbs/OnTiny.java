package dev.grft.spark.verbs;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/** Tests of runs on Spark, with a pretrained model and images that the tests of a class share. */
public abstract class OnTiny extends OnSpark {
    @TempDir
    protected static Path folderOfAll;

    protected static Tiny.Shared shared;

    @TempDir
    protected Path folder;

    @BeforeAll
    protected static void writeShared() throws IOException {
        shared = Tiny.Shared.in(folderOfAll);
    }
}

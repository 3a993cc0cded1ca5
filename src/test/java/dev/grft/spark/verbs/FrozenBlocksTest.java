package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** Runs in which nothing trains in the first block of two. */
class FrozenBlocksTest extends OnTiny {
    private static final String SAID = "train: nothing trains in the first block;";

    private Tiny.Printed train(SparkSession on, String name, String... more) {
        return does(on, name, Verbs::train, more);
    }

    private Tiny.Printed does(SparkSession on, String name, Consumer<Verbs> verb, String... more) {
        List<String> all = new ArrayList<>(List.of(
                "tuning.method=last-layers",
                "augmentation.crop=false",
                "augmentation.flip=false",
                "data.validation=" + shared.test(),
                "training.patience=5"));
        all.addAll(Arrays.asList(more));
        return Tiny.does(on, shared.sets(folder.resolve(name), all.toArray(String[]::new)), false, verb);
    }

    private Map<String, String> delta(String name) {
        return Tiny.tensors(folder.resolve(name).resolve("delta.safetensors"));
    }

    /** Returns the losses, and what was measured after each epoch. */
    private List<ObjectNode> history(String name) throws IOException {
        List<ObjectNode> all = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(folder.toString(), name, "history.jsonl"))) {
            ObjectNode node = (ObjectNode) new ObjectMapper().readTree(line);
            all.add(node.without(List.of("seconds", "inputSeconds")));
        }
        return all;
    }

    @Test
    void aRunHasTheSameBitsWhateverIsKeptOnAnyNumberOfCores() throws Exception {
        assertThat(train(spark, "kept").err()).containsOnlyOnce(SAID);
        assertThat(train(spark, "computed", "engine.frozenCacheGiB=0").err()).contains(SAID);
        train(spark, "some", "engine.frozenCacheGiB=3e-6"); // of ten images or so
        train(Tiny.spark("local[1]"), "core");
        startSpark();

        assertThat(history("kept")).hasSize(9 + 3);
        for (String other : new String[] {"computed", "some", "core"}) {
            assertThat(delta(other)).as(other).isEqualTo(delta("kept"));
            assertThat(history(other)).as(other).isEqualTo(history("kept"));
        }
    }

    @Test
    void shardsThatStepAloneMakeTheSameOfWhatIsKept() {
        String[] alone = {"training.syncEvery=2", "engine.recompute=true", "evaluation.flip=true"};
        train(spark, "kept", alone);
        train(spark, "computed", alone[0], alone[1], alone[2], "engine.frozenCacheGiB=0");
        assertThat(delta("computed")).isEqualTo(delta("kept"));
    }

    @Test
    void whatNothingReadsAgainIsNotKept() {
        assertThat(train(spark, "once", "training.epochs=1").err()).doesNotContain(SAID);
        assertThat(does(spark, "checked", Verbs::check, "training.epochs=1").out())
                .doesNotContain("nothing trains in");
    }

    @Test
    void checkSaysWhatIsKept() {
        assertThat(does(spark, "checked", Verbs::check).out())
                .contains("nothing trains in the first block", "for 18 training images");
        assertThat(does(spark, "checked", Verbs::check, "tuning.method=grft").out())
                .doesNotContain("nothing trains in");
    }

    @Test
    void imagesThatChangeAreComputedInEachEpoch() {
        assertThat(train(spark, "flipped", "augmentation.flip=true", "training.patience=null")
                        .err())
                .doesNotContain(SAID);
        assertThat(train(spark, "all", "tuning.method=grft", "training.patience=null")
                        .err())
                .doesNotContain(SAID);
    }
}

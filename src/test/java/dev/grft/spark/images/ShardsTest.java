package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.data.Example;
import dev.grft.data.Pixels;
import dev.grft.spark.verbs.OnSpark;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.storage.RDDBlockId;
import org.apache.spark.util.LongAccumulator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShardsTest extends OnSpark {
    @TempDir
    File folder;

    /** Returns an image of its own for each id; one of five is broken. */
    private static Decoded image(int id) {
        if (id % 5 == 4) {
            return new Decoded(id, new byte[] {(byte) id}, null, "damaged");
        }
        byte[] rgb = new byte[3 * (1 + id) * 2];
        new SplittableRandom(id).nextBytes(rgb);
        return new Decoded(
                id, new byte[] {(byte) id}, new Example(id, id % 3, "image " + id, new Pixels(1 + id, 2, rgb)), null);
    }

    private static List<Example> whole(int count) {
        List<Example> examples = new ArrayList<>();
        IntStream.range(0, count)
                .mapToObj(ShardsTest::image)
                .map(image -> image.example)
                .forEach(example -> {
                    if (example != null) {
                        examples.add(example);
                    }
                });
        return examples;
    }

    private static Shards shards(int count, LongAccumulator decoded) {
        return new Shards(context.parallelize(IntStream.range(0, count).boxed().toList(), 3)
                .map(id -> {
                    decoded.add(1);
                    return image(id);
                }));
    }

    private static JavaRDD<Example> all(Shards shards) {
        return shards.shards().flatMap(shard -> shard.examples().iterator());
    }

    @Test
    void anyExampleIsReadBackAsItWasPutIn() {
        Shard shard = Shard.write(
                new File(folder, "a"),
                IntStream.range(0, 23).mapToObj(ShardsTest::image).iterator());

        List<Example> examples = shard.examples();

        assertThat(examples).isEqualTo(whole(23));
        assertThat(examples.get(11)).isEqualTo(whole(23).get(11));
        assertThat(shard.range(16, 5)).isEqualTo(whole(23).subList(16, 19));
        assertThat(shard.range(3, 5)).isEqualTo(whole(23).subList(3, 8));
        assertThat(shard.range(100, 5)).isEmpty();
        assertThat(shard.results()).hasSize(23).allMatch(result -> result.example == null);
        assertThat(shard.results().get(4).reason).isEqualTo("damaged");
        shard.close();
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void theOrderKeepsItsShuffle() {
        Shard shard = Shard.write(
                new File(folder, "a"),
                IntStream.range(0, 9).mapToObj(ShardsTest::image).iterator());

        assertThat(shard.order(3, 1)).isSameAs(shard.order(3, 1)).isNotSameAs(shard.order(4, 1));
        shard.close();
    }

    @Test
    void aDiskWithoutRoomIsTheUsersToMend() {
        File file = new File(new File(folder, "missing"), "a");

        assertThatThrownBy(() -> Shard.write(file, List.of(image(0)).iterator()))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(file + ": the prepared images cannot be kept there (")
                .hasMessageEndingWith("); make room, or set spark.local.dir to a larger disk");
    }

    @Test
    void whatTheImagesThrowPassesAsItIsAndLeavesNoFile() {
        FileNotFoundException lost = new FileNotFoundException("shuffle_1_2");
        Iterator<Decoded> images = Stream.concat(Stream.of(image(0)), Stream.generate(() -> sneak(lost)))
                .iterator();

        assertThatThrownBy(() -> Shard.write(new File(folder, "a"), images)).isSameAs(lost);
        assertThat(folder).isEmptyDirectory();
    }

    /** Throws an exception as Spark's iterators do, undeclared. */
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> Decoded sneak(Throwable thrown) throws T {
        throw (T) thrown;
    }

    @Test
    void aShardThatCannotBeReadBackIsMadeAnewForTheNextTask() throws IOException {
        LongAccumulator decoded = context.sc().longAccumulator();
        Shards shards = shards(30, decoded);
        shards.results().count();
        List<String> files = shards.shards().map(shard -> shard.toString()).collect();
        Files.write(Path.of(files.get(1)), new byte[0]);

        assertThatThrownBy(() -> all(shards).collect())
                .hasMessageContaining(files.get(1) + ": image 10 cannot be read");

        assertThat(all(shards).collect()).isEqualTo(whole(30));
        assertThat(decoded.value()).isEqualTo(40);
        assertThat(new File(files.get(1))).doesNotExist();
        shards.release();
    }

    @Test
    void anImageIsDecodedOnceHoweverOftenItIsAskedFor() {
        LongAccumulator decoded = context.sc().longAccumulator();
        Shards shards = shards(31, decoded);

        assertThat(shards.results().count()).isEqualTo(31);
        assertThat(all(shards).collect()).isEqualTo(whole(31));
        assertThat(all(shards).collect()).isEqualTo(whole(31));

        assertThat(decoded.value()).isEqualTo(31);
        shards.release();
    }

    @Test
    void anExecutorThatHasNoShardsMakesThemAnew() {
        LongAccumulator decoded = context.sc().longAccumulator();
        Shards shards = shards(31, decoded);
        shards.results().count();

        Shards.dropAll();

        assertThat(all(shards).collect()).isEqualTo(whole(31));
        assertThat(decoded.value()).isEqualTo(62);
        Shards.dropAll();
        // As if the executor had been lost with all it kept.
        SparkEnv.get().blockManager().master().removeRdd(shards.results().id(), true);
        assertThat(all(shards).collect()).isEqualTo(whole(31));
        assertThat(decoded.value()).isEqualTo(93);
        assertThat(SparkEnv.get()
                        .blockManager()
                        .master()
                        .getLocations(new RDDBlockId(shards.results().id(), 1))
                        .size())
                .as("Spark knows again where the shard is")
                .isEqualTo(1);
        shards.release();
    }

    @Test
    void aReleasedSetLeavesNoFile() {
        LongAccumulator decoded = context.sc().longAccumulator();
        Shards kept = shards(10, decoded);
        Shards released = shards(10, decoded);
        kept.results().count();
        released.results().count();
        int before = Shards.held();

        released.release();

        assertThat(Shards.held()).isEqualTo(before - 3);
        assertThat(all(kept).collect()).isEqualTo(whole(10));
        kept.release();
        assertThat(Shards.held()).isEqualTo(before - 6);
    }
}

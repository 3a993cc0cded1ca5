package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.data.Example;
import dev.grft.data.Pixels;
import dev.grft.data.Target;
import dev.grft.spark.verbs.OnSpark;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.Dependency;
import org.apache.spark.HashPartitioner;
import org.apache.spark.MapOutputTrackerMaster;
import org.apache.spark.ShuffleDependency;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.rdd.RDD;
import org.apache.spark.storage.RDDBlockId;
import org.apache.spark.util.LongAccumulator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.collection.JavaConverters;

@SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
class ShardsTest extends OnSpark {
    /** Else those that other test classes have left in this JVM would go in the middle of a test, when the garbage collector runs. */
    @BeforeEach
    void dropThoseOfOthers() {
        Shards.dropAll();
    }

    @TempDir
    File folder;

    /** Returns an image of its own for each id; one of five is broken. */
    private static Decoded image(int id) {
        if (id % 5 == 4) {
            return new Decoded(id, new byte[] {(byte) id}, null, "damaged", false);
        }
        byte[] rgb = new byte[3 * (1 + id) * 2];
        new SplittableRandom(id).nextBytes(rgb);
        return new Decoded(
                id,
                new byte[] {(byte) id},
                new Example(id, id % 3, "image " + id, new Pixels(1 + id, 2, rgb)),
                null,
                false);
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
    void whatCropsAreCutFromIsReadOnlyIfItIsAskedFor() {
        Example with = new Example(1, Target.ofClass(0), "a", pixels(2, 2, 1), pixels(3, 5, 2), 1);
        Example without = new Example(2, 0, "b", pixels(2, 2, 3));
        Shard shard = Shard.write(
                new File(folder, "a"),
                List.of(Decoded.before(with), Decoded.before(without)).iterator());

        assertThat(shard.examples()).containsExactly(new Example(1, 0, "a", pixels(2, 2, 1)), without);
        assertThat(shard.withSources().examples()).containsExactly(with, without);
        assertThat(shard.withSources().only(id -> id == 1).blocks(8)).isEqualTo(Map.of(0L, List.of(with)));
        shard.withSources().close();
        assertThat(shard.withSources().range(0, 1)).containsExactly(with);
        shard.close();
    }

    private static Pixels pixels(int height, int width, int seed) {
        byte[] rgb = new byte[3 * height * width];
        new SplittableRandom(seed).nextBytes(rgb);
        return new Pixels(height, width, rgb);
    }

    @Test
    void whatCropsAreCutFromMovesAlongWithTheExample() {
        Example with = new Example(1, Target.ofClass(0), "a", pixels(2, 2, 1), pixels(3, 5, 2), 1);
        Shards shards = new Shards(context.parallelize(List.of(Decoded.before(with)), 1));

        Shards moved = shards.shuffled(new HashPartitioner(2));
        shards.release();

        assertThat(moved.shards()
                        .flatMap(shard -> shard.withSources().examples().iterator())
                        .collect())
                .containsExactly(with);
        moved.release();
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
                .hasMessageStartingWith(file + ": cannot write the prepared images (")
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

    /** Returns the examples of each of some shards. */
    private static List<List<Example>> each(Shards shards) {
        return each(shards.shards());
    }

    private static List<List<Example>> each(JavaRDD<Shard> shards) {
        return shards.mapPartitions(part -> part.next().examples().iterator())
                .glom()
                .collect();
    }

    private static List<List<Example>> modulo(int count, int shards) {
        return IntStream.range(0, shards)
                .mapToObj(shard -> whole(count).stream()
                        .filter(example -> example.id() % shards == shard)
                        .toList())
                .toList();
    }

    @Test
    void theShardsOfATrainingHaveTheExamplesByTheirIdAndNoneIsDecodedAgain() {
        LongAccumulator decoded = context.sc().longAccumulator();
        Shards pieces = shards(31, decoded);
        pieces.results().count();
        int before = Shards.held();

        for (int count : new int[] {1, 2, 7}) {
            Shards views = pieces.views(count);
            Shards files = pieces.shuffled(new HashPartitioner(count));

            assertThat(each(views)).isEqualTo(modulo(31, count));
            assertThat(each(files)).isEqualTo(modulo(31, count));
            assertThat(each(views)).isEqualTo(modulo(31, count));
            assertThat(Shards.held()).isEqualTo(before + 2 * count);
            views.release();
            files.release();
            assertThat(Shards.held()).isEqualTo(before);
        }

        assertThat(decoded.value()).isEqualTo(31);
        assertThat(all(pieces).collect()).as("views leave the files alone").isEqualTo(whole(31));
        pieces.release();
    }

    @Test
    void inLocalModeTheShardsAreViews() {
        Shards pieces = shards(31, context.sc().longAccumulator());
        Images.Kept kept = Images.Kept.inPieces(pieces, 31, 16, 2, true);
        List<String> files = pieces.shards().map(Shard::toString).collect();

        assertThat(kept.shards().map(Shard::toString).collect())
                .allSatisfy(shard -> assertThat(files).containsAll(List.of(shard.split(" "))));
        kept.release();
    }

    @Test
    void onAClusterTheShardsTakeThePlaceOfThePieces() {
        LongAccumulator decoded = context.sc().longAccumulator();
        int before = Shards.held();
        Shards pieces = new Shards(
                context.parallelize(IntStream.range(0, 31).boxed().toList(), 2).map(id -> {
                    decoded.add(1);
                    return image(id);
                }));
        pieces.results().count();
        Images.Kept kept = Images.Kept.inPieces(pieces, 31, 16, 3, false);

        assertThat(each(kept.shards())).isEqualTo(modulo(31, 3));
        assertThat(Shards.held()).isEqualTo(before + 3);
        assertThat(each(kept.parts())).isEqualTo(modulo(31, 3));
        assertThat(each(kept.pieces()))
                .isEqualTo(List.of(whole(31).subList(0, 13), whole(31).subList(13, 25)));
        assertThat(each(kept.shards())).isEqualTo(modulo(31, 3));
        assertThat(Shards.held()).isEqualTo(before + 5);
        assertThat(decoded.value()).isEqualTo(31);
        kept.release();
        assertThat(Shards.held()).isEqualTo(before);
    }

    @Test
    void aSetForStepsAloneLiesInShards() {
        Shards shards = shards(30, context.sc().longAccumulator());
        Images.Kept kept = Images.Kept.inShards(shards, 30, 16, 3);

        assertThat(kept.parts()).isSameAs(kept.shards());
        assertThat(each(kept.pieces()))
                .isEqualTo(List.of(whole(30).subList(0, 13), whole(30).subList(13, 24)));
        kept.release();
    }

    /** As when a task of a step comes to an executor that has lost its files, or never had the shard. */
    @Test
    void aLostShardOfATrainingIsMadeOfThePreparedImages() throws IOException {
        LongAccumulator decoded = context.sc().longAccumulator();
        Shards pieces = shards(31, decoded);
        pieces.results().count();
        Shards files = pieces.shuffled(new HashPartitioner(2));
        Shards views = pieces.views(1);
        assertThat(each(views)).isEqualTo(modulo(31, 1));
        String own = files.shards().map(Shard::toString).collect().get(1);
        Files.write(Path.of(own), new byte[0]);

        assertThatThrownBy(() -> each(files)).hasMessageContaining("cannot be read back");
        assertThat(each(files)).isEqualTo(modulo(31, 2));
        assertThat(decoded.value()).as("of prepared images").isEqualTo(31);

        String ofPiece = pieces.shards().map(Shard::toString).collect().get(0);
        Files.write(Path.of(ofPiece), new byte[0]);
        assertThatThrownBy(() -> each(views)).hasMessageContaining("cannot be read back");
        assertThat(each(views)).isEqualTo(modulo(31, 1));
        assertThat(decoded.value()).as("one piece of ten").isEqualTo(41);
        files.release();
        views.release();
        pieces.release();
    }

    @Test
    void blocksHaveConsecutiveIds() {
        Shard shard = Shard.write(
                new File(folder, "a"),
                IntStream.range(0, 23).mapToObj(ShardsTest::image).iterator());

        assertThat(shard.blocks(8))
                .isEqualTo(Map.of(
                        0L, whole(23).subList(0, 7),
                        1L, whole(23).subList(7, 13),
                        2L, whole(23).subList(13, 19)));
        assertThat(shard.only(id -> id > 15).blocks(8)).containsOnlyKeys(2L);
        assertThat(shard.only(id -> id == 4).blocks(8)).isEmpty();
        shard.close();
    }

    @Test
    void piecesAreAFewForEachTaskAndHoldWholeBlocks() {
        assertThat(Images.block(1, 1)).isEqualTo(16);
        assertThat(Images.block(1000, 32)).isEqualTo(32);
        assertThat(Images.block(1000, 33)).isEqualTo(64);
        assertThat(Images.block(1_281_167, 32)).isEqualTo(512);
        for (long total : new long[] {1, 18, 1000, 50_000, 1_281_167, 14_000_000}) {
            for (int tasks : new int[] {1, 2, 8, 240, 4000}) {
                int piece = Images.piece(total, 32, tasks);
                int block = Images.block(total, 32);
                int pieces = Images.pieces(total, piece);

                assertThat(piece % block).isZero();
                assertThat(Integer.bitCount(piece / block)).isEqualTo(1);
                assertThat((long) pieces * piece).isBetween(total, total + piece - 1);
                assertThat(piece).isLessThanOrEqualTo(Math.max(4096, block));
                assertThat(piece > block && piece < 4096 ? pieces : 2 * tasks + 1)
                        .as("%d images, %d tasks", total, tasks)
                        .isBetween(2 * tasks, 4 * tasks);
            }
        }
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

    /** The pieces are gone by then, and are not to come back. */
    @Test
    void shardsWhoseShuffleFilesAreLostAreDecodedAgainAndNothingElseStays() {
        LongAccumulator decoded = context.sc().longAccumulator();
        int before = Shards.held();
        Shards pieces = shards(31, decoded);
        pieces.results().count();
        Images.Kept kept = Images.Kept.inPieces(pieces, 31, 16, 2, false);
        assertThat(each(kept.shards())).isEqualTo(modulo(31, 2));
        int files = files();

        Shards.dropAll();
        loseShuffles(kept.shards().rdd());

        assertThat(each(kept.shards())).isEqualTo(modulo(31, 2));
        assertThat(decoded.value()).isEqualTo(62);
        assertThat(Shards.held()).isEqualTo(before + 2);
        assertThat(files()).isEqualTo(files);
        kept.release();
    }

    /** Returns how many files of pixels lie in Spark's local directories. */
    private static int files() {
        return (int)
                JavaConverters.seqAsJavaList(SparkEnv.get()
                                .blockManager()
                                .diskBlockManager()
                                .getAllFiles()
                                .toSeq())
                        .stream()
                        .filter(file -> file.getName().startsWith("temp_local_"))
                        .count();
    }

    /** Has Spark forget the output of the shuffles that an RDD is made of, as if the executors were lost. */
    private static void loseShuffles(RDD<?> rdd) {
        for (Dependency<?> dependency : JavaConverters.seqAsJavaList(rdd.dependencies())) {
            if (dependency instanceof ShuffleDependency<?, ?, ?> shuffle) {
                ((MapOutputTrackerMaster) SparkEnv.get().mapOutputTracker())
                        .unregisterAllMapAndMergeOutput(shuffle.shuffleId());
            }
            loseShuffles(dependency.rdd());
        }
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

package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.config.Config;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.Target;
import dev.grft.spark.images.Encoded;
import dev.grft.spark.images.ImageColumn;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import javax.imageio.ImageIO;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LookingTest {
    private static final Preprocess PREPROCESS =
            new Preprocess(4, 4, Preprocess.Crop.SQUASH, ImageRecipe.same(0, 1, 1));

    /** Sees how large the batches are. */
    private static final class Sizes implements Sight {
        private static final long serialVersionUID = 1L;

        final List<Integer> seen = new ArrayList<>();
        int opened;
        int closed;

        @Override
        public Open open() {
            opened++;
            return new Open() {
                @Override
                public float[][] at(Batch batch) {
                    seen.add(batch.size());
                    float[][] all = new float[batch.size()][];
                    for (int i = 0; i < all.length; i++) {
                        all[i] = new float[] {seen.size(), i};
                    }
                    return all;
                }

                @Override
                public void close() {
                    closed++;
                }
            };
        }

        @Override
        public void close() {}
    }

    /** Sees the first number of each image. */
    private static final class Corners implements Sight {
        private static final long serialVersionUID = 1L;

        @Override
        public Open open() {
            return new Open() {
                @Override
                public float[][] at(Batch batch) {
                    float[][] all = new float[batch.size()][];
                    for (int i = 0; i < all.length; i++) {
                        all[i] = new float[] {batch.images()[i * batch.images().length / batch.size()], batch.size()};
                    }
                    return all;
                }

                @Override
                public void close() {}
            };
        }

        @Override
        public void close() {}
    }

    @Test
    void aFlippedSightAveragesAnImageAndItsMirrorImage() {
        List<Example> examples = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            byte[] rgb = new byte[3 * 16];
            rgb[0] = (byte) (100 + i); // the upper left corner
            rgb[9] = (byte) (50 + i); // the upper right one
            examples.add(new Example(i, 0, "image " + i, new Pixels(4, 4, rgb)));
        }

        float[][] seen = new Sight.Flipped(new Corners()).open().at(Batch.of(examples, PREPROCESS));

        assertThat(seen[0]).containsExactly((100 / 255f + 50 / 255f) / 2, 2);
        assertThat(seen[1]).containsExactly((101 / 255f + 51 / 255f) / 2, 2);
    }

    /** Returns an image of each name; those with an x are broken. */
    private static Encoded image(String name) {
        ImageColumn column =
                ImageColumn.of(new StructType().add("image", DataTypes.BinaryType), "image", "a test", "mend the test");
        try {
            ByteArrayOutputStream png = new ByteArrayOutputStream();
            ImageIO.write(new BufferedImage(4, 4, BufferedImage.TYPE_INT_RGB), "png", png);
            return column.image(name, Target.NONE, name.contains("x") ? new byte[9] : png.toByteArray());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void batchesAreCutByPositionAndComeInOrder(int decoders) {
        Sizes sizes = new Sizes();
        Looking looking = new Looking(PREPROCESS, sizes, 3, decoders);
        List<String> names = List.of("a", "bx", "c", "d", "e", "f", "gx", "hx", "ix", "j");

        Iterator<Looking.Seen<String>> seen = looking.over(names.iterator(), LookingTest::image, name -> name);

        assertThat(sizes.opened).isZero();
        List<String> all = new ArrayList<>();
        seen.forEachRemaining(one -> all.add(one.item
                + (one.values == null ? "" : " " + (int) one.values[0] + (int) one.values[1])
                + (one.broken == null ? "" : " broken")));
        assertThat(all)
                .containsExactly(
                        "a 10",
                        "bx broken",
                        "c 11",
                        "d 20",
                        "e 21",
                        "f 22",
                        "gx broken",
                        "hx broken",
                        "ix broken",
                        "j 30");
        assertThat(sizes.seen).containsExactly(2, 3, 1);
        assertThat(sizes.opened).isEqualTo(1);
        assertThat(sizes.closed).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void whatTheUserHasToMendIsToldAsItIs(int decoders) {
        Looking looking = new Looking(PREPROCESS, new Sizes(), 3, decoders);
        Iterator<Looking.Seen<String>> seen = looking.over(
                List.of("a", "b").iterator(),
                name -> {
                    throw new UserError("mend " + name);
                },
                name -> name);

        assertThatThrownBy(seen::hasNext).isInstanceOf(UserError.class).hasMessage("mend a");
    }

    /** They would show other numbers in the places of logits and features. */
    @Test
    void severalDeltasAndNetworksInTrainingDoNotShowEverything() {
        Inference.Engine engine =
                new Inference.Engine(null, null, Config.load(List.of(), List.of(), new Configuration(false)));
        Inference several = Inference.of(engine, null, PREPROCESS, List.<Delta>of());
        Inference training = Inference.of(engine, PREPROCESS, null, new float[0], null, null);
        for (Inference each : List.of(several, training)) {
            assertThatThrownBy(each::lookingAtEverything).isInstanceOf(IllegalStateException.class);
        }
    }
}

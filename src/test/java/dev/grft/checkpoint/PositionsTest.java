package dev.grft.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import dev.grft.UserError;
import dev.grft.checkpoint.Positions.Resampling;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensor;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PositionsTest {
    private static final String REMEDY = "remake it: see src/test/python/README.md";

    @ParameterizedTest
    @ValueSource(ints = {3, 6, 8})
    void theyAreResampledAsTimmDoes(int grid) {
        assertResampled(grid, Resampling.ANTIALIASED, "");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 6, 8})
    void theyAreResampledAsTransformersDoes(int grid) {
        assertResampled(grid, Resampling.PLAIN, ".plain");
    }

    private static void assertResampled(int grid, Resampling how, String suffix) {
        Safetensors golden = Golden.read("positions/golden.safetensors");
        Tensor old = golden.tensor("pos_embed.4x4");
        String name = "pos_embed." + grid + "x" + grid + suffix;

        double[] doubles = Positions.resample(old.doubles(), 1, 6, grid, how);
        float[] floats = Positions.resample(old.floats(), 1, 6, grid, how);

        assertThat(doubles).as(REMEDY).hasSize((1 + grid * grid) * 6);
        double[] expected = golden.tensor(name + ".double").doubles();
        float[] theirs = golden.tensor(name).floats();
        for (int i = 0; i < expected.length; i++) {
            assertThat(doubles[i]).as(REMEDY).isCloseTo(expected[i], offset(1e-13));
            assertThat(floats[i]).as(REMEDY).isCloseTo(theirs[i], offset(1e-5f));
        }
    }

    @Test
    void theSameSizeIsLeftAlone() {
        float[] positions = Golden.read("positions/golden.safetensors")
                .tensor("pos_embed.4x4")
                .floats();

        assertThat(Positions.resample(positions, 1, 6, 4, Resampling.PLAIN)).isSameAs(positions);
    }

    @Property(tries = 50)
    void aGridOfEqualVectorsStaysOne(
            @ForAll @IntRange(min = 0, max = 3) int before,
            @ForAll @IntRange(min = 1, max = 12) int old,
            @ForAll @IntRange(min = 1, max = 12) int grid,
            @ForAll Resampling how) {
        double[] positions = new double[(before + old * old) * 2];
        for (int i = 0; i < positions.length; i++) {
            positions[i] = i < 2 * before ? 9 : i % 2 + 1;
        }

        double[] resampled = Positions.resample(positions, before, 2, grid, how);

        assertThat(resampled).hasSize((before + grid * grid) * 2);
        for (int i = 0; i < resampled.length; i++) {
            assertThat(resampled[i]).isCloseTo(i < 2 * before ? 9 : i % 2 + 1, offset(1e-12));
        }
    }

    @Test
    void aGridThatIsNotASquareIsRefused() {
        assertThatThrownBy(() -> Positions.resample(new float[(1 + 12) * 6], 1, 6, 4, Resampling.PLAIN))
                .isInstanceOf(UserError.class)
                .hasMessage("pos_embed has 12 positions besides the class token's, expected a square number;"
                        + " is it another model?");
    }
}

package dev.grft.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import dev.grft.UserError;
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
        Safetensors golden = Golden.read("positions/golden.safetensors");
        Tensor old = golden.tensor("pos_embed.4x4");
        String name = "pos_embed." + grid + "x" + grid;

        double[] doubles = Positions.resample(old.doubles(), 1, 6, grid);
        float[] floats = Positions.resample(old.floats(), 1, 6, grid);

        assertThat(doubles).as(REMEDY).hasSize((1 + grid * grid) * 6);
        double[] expected = golden.tensor(name + ".double").doubles();
        float[] timm = golden.tensor(name).floats();
        for (int i = 0; i < expected.length; i++) {
            assertThat(doubles[i]).as(REMEDY).isCloseTo(expected[i], offset(1e-13));
            assertThat(floats[i]).as(REMEDY).isCloseTo(timm[i], offset(1e-5f));
        }
    }

    @Test
    void theSameSizeIsLeftAlone() {
        float[] positions = Golden.read("positions/golden.safetensors")
                .tensor("pos_embed.4x4")
                .floats();

        assertThat(Positions.resample(positions, 1, 6, 4)).isSameAs(positions);
    }

    @Property(tries = 50)
    void aGridOfEqualVectorsStaysOne(
            @ForAll @IntRange(min = 0, max = 3) int before,
            @ForAll @IntRange(min = 1, max = 12) int old,
            @ForAll @IntRange(min = 1, max = 12) int grid) {
        double[] positions = new double[(before + old * old) * 2];
        for (int i = 0; i < positions.length; i++) {
            positions[i] = i < 2 * before ? 9 : i % 2 + 1;
        }

        double[] resampled = Positions.resample(positions, before, 2, grid);

        assertThat(resampled).hasSize((before + grid * grid) * 2);
        for (int i = 0; i < resampled.length; i++) {
            assertThat(resampled[i]).isCloseTo(i < 2 * before ? 9 : i % 2 + 1, offset(1e-12));
        }
    }

    @Test
    void aGridThatIsNotASquareIsRefused() {
        assertThatThrownBy(() -> Positions.resample(new float[(1 + 12) * 6], 1, 6, 4))
                .isInstanceOf(UserError.class)
                .hasMessage("pos_embed has 12 positions besides the class token's, expected a square number;"
                        + " is it another model?");
    }
}

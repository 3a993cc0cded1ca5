package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class PresetTest {
    private static final Map<Preset, Integer> FGVC_CLASSES = Map.of(
            Preset.FGVC_MIN_AXIS_CUB, 200,
            Preset.FGVC_MIN_AXIS_NABIRDS, 555,
            Preset.FGVC_MIN_AXIS_FLOWERS, 102,
            Preset.FGVC_MIN_AXIS_CARS, 196,
            Preset.FGVC_MIN_AXIS_DOGS, 120);

    @Test
    void theMatricesOfAViTB16HaveTheKnownSize() {
        assertThat(VitB16.MATRICES.values().stream()
                        .mapToLong(MatrixShape::size)
                        .sum())
                .isEqualTo(85_524_480);
    }

    @Test
    void oneRowPerMatrixIs65280NumbersAndOneSliceOfTheShorterMask111360() {
        assertThat(trained(Orientation.ROW, 1)).isEqualTo(65_280);
        assertThat(trained(Orientation.COLUMN, 1)).isEqualTo(83_712);
        assertThat(trained(Orientation.MIN_AXIS, 1)).isEqualTo(111_360);
    }

    @Test
    void fourRowsTrainThePublishedShareOfVtabWithoutTheHead() {
        assertThat(percent(trained(Preset.VTAB_ROWS))).isCloseTo(0.304, within(0.0005));
    }

    @Test
    void sixteenRowsTrainThePublishedShareOfFgvcWithoutTheHead() {
        assertThat(percent(trained(Preset.FGVC_ROWS))).isCloseTo(1.217, within(0.0005));
    }

    @Test
    void twoSlicesOfTheShorterMaskAndTheMeanHeadAreThePublishedShareOfVtab() {
        long meanHead = Math.round(940 / 19.0 * 769); // VTAB-1k's 19 data sets have 940 classes together

        assertThat(meanHead).isEqualTo(38_045);
        assertThat(percent(trained(Preset.VTAB_MIN_AXIS) + meanHead)).isCloseTo(0.304, within(0.0005));
    }

    @Test
    void gpsNumbersPerDataSetOfTheShorterMaskAndTheHeadsAreThePublishedMeanShareOfFgvc() {
        double meanHead =
                FGVC_CLASSES.values().stream().mapToInt(k -> k * 769).average().orElseThrow();
        double meanPercent = FGVC_CLASSES.entrySet().stream()
                .mapToDouble(e -> percent(trained(e.getKey()) + e.getValue() * 769L))
                .average()
                .orElseThrow();

        assertThat(Math.round(meanHead)).isEqualTo(180_407);
        assertThat(meanPercent).isCloseTo(1.223, within(0.0005));
    }

    @ParameterizedTest
    @CsvSource({
        "vtab-rows, ROW, 4",
        "fgvc-rows, ROW, 16",
        "vtab-min-axis, MIN_AXIS, 2",
        "fgvc-min-axis-cub, MIN_AXIS, 2",
        "fgvc-min-axis-nabirds, MIN_AXIS, 20",
        "fgvc-min-axis-flowers, MIN_AXIS, 1",
        "fgvc-min-axis-cars, MIN_AXIS, 15",
        "fgvc-min-axis-dogs, MIN_AXIS, 1"
    })
    void aWordOfTheConfigurationGivesOrientationAndBudget(String word, Orientation orientation, int count) {
        assertThat(Preset.parse(word).orientation()).isEqualTo(orientation);
        assertThat(Preset.parse(word).budget()).isEqualTo(new Budget.PerMatrix(count));
    }

    @ParameterizedTest
    @EnumSource
    void everyPresetIsReadBackFromItsWord(Preset preset) {
        assertThat(Preset.parse(preset.toString())).isEqualTo(preset);
    }

    @Test
    void anUnknownWordIsRefusedWithTheWordsThatAreKnown() {
        assertThatThrownBy(() -> Preset.parse("vtab"))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("selection.preset: unknown preset 'vtab'; expected one of vtab-rows, fgvc-")
                .hasMessageEndingWith(", fgvc-min-axis-dogs");
    }

    private static long trained(Preset preset) {
        return Grft.select(Scores.zero(VitB16.MATRICES), preset.orientation(), preset.budget(), VitB16.BACKBONE)
                .trained();
    }

    private static long trained(Orientation orientation, int count) {
        return Grft.select(Scores.zero(VitB16.MATRICES), orientation, new Budget.PerMatrix(count), VitB16.BACKBONE)
                .trained();
    }

    private static double percent(long numbers) {
        return 100.0 * numbers / VitB16.BACKBONE;
    }
}

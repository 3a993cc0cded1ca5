package dev.grft.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Axis;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.vit.VitConfig;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A model of three blocks, of 17 tokens of width 24. */
class FrozenStagesTest {
    private static final VitConfig CONFIG = Tiny.CONFIG;

    private static Tuning rows(String matrix) {
        return new SliceTuning(
                new Selection(List.of(new Slices(matrix, CONFIG.matrices().get(matrix), Axis.ROW, 1, 5))));
    }

    private static @Nullable FrozenStages stages(Tuning tuning, boolean gpu, String... sets) {
        List<String> all = new ArrayList<>(List.of(sets));
        Settings settings = Config.load(List.of(), all, new Configuration());
        return FrozenStages.of(
                CONFIG,
                tuning.layout(CONFIG),
                settings.augmentation().toAugment(1),
                settings.training().dropPath(),
                gpu);
    }

    @ParameterizedTest
    @CsvSource({
        "blocks.2.mlp.fc2.weight, 3, the first 2 blocks",
        "blocks.1.attn.qkv.weight, 2, the first block",
    })
    void areThoseBelowTheFirstThatTrains(String matrix, int count, String said) {
        FrozenStages stages = stages(rows(matrix), false);
        assertThat(stages).isEqualTo(new FrozenStages(count, 17 * 24)).hasToString(said);
    }

    @ParameterizedTest
    @ValueSource(strings = {"blocks.0.attn.qkv.weight", "patch_embed.proj.weight"})
    void areNotKeptWithoutAFrozenBlock(String matrix) {
        assertThat(stages(rows(matrix), false)).isNull();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "training.dropPath=0.1",
                "augmentation.crop=true",
                "augmentation.padding=1",
                "augmentation.flip=true",
                "augmentation.verticalFlip=true",
                "augmentation.rotate=true",
                "augmentation.randAugment=rand-m9-mstd0.5-inc1",
                "augmentation.colorJitter.grayscale=0.2",
                "augmentation.erasing.probability=0.1",
                "augmentation.mixup=0.8",
                "augmentation.cutmix=1"
            })
    void areNotKeptIfSomethingIsRandom(String set) {
        assertThat(stages(rows("blocks.2.mlp.fc2.weight"), false, set)).isNull();
    }

    @Test
    void areNotKeptOnGpus() {
        assertThat(stages(rows("blocks.2.mlp.fc2.weight"), true)).isNull();
    }

    @Test
    void endInTheClassTokenAloneBehindTheLastBlock() {
        assertThat(stages(SliceTuning.headOnly(), false)).isEqualTo(new FrozenStages(4, 24));
    }
}

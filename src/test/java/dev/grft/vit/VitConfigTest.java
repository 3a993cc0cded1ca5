package dev.grft.vit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import java.io.IOException;
import java.util.Iterator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VitConfigTest {

    @Test
    void publishedSizesHaveTheirPublishedNumberOfParameters() throws IOException {
        JsonNode counts = new ObjectMapper().readTree(Golden.bytes("counts.json"));
        assertThat(counts).hasSize(4);
        for (Iterator<String> names = counts.fieldNames(); names.hasNext(); ) {
            String name = names.next();
            assertThat(VitConfig.preset(name, 1000).parameters())
                    .as(name)
                    .isEqualTo(counts.get(name).asLong());
        }
        assertThat(VitConfig.preset("vit_base_patch16_224", 1000).parameters()).isEqualTo(86_567_656);
    }

    @Test
    void theDemoHasSixBlocksOfWidth128() {
        assertThat(VitConfig.preset("vit_demo_patch4_32", 10))
                .isEqualTo(new VitConfig(32, 4, 128, 6, 4, 512, 10, 1e-6));
    }

    @ParameterizedTest
    @CsvSource({
        "blocks.0.norm1.bias, 0",
        "blocks.11.mlp.fc1.weight, 11",
        "patch_embed.proj.weight, -1",
        "norm.weight, -1",
        "encoder.layer.3.weight, -1"
    })
    void aParameterLiesInTheBlockOfItsName(String parameter, int block) {
        assertThat(VitConfig.block(parameter)).isEqualTo(block);
    }

    @Test
    void tokensAreThePatchesAndTheClassToken() {
        VitConfig config = VitConfig.preset("vit_base_patch16_224", 0);
        assertThat(config.patches()).isEqualTo(196);
        assertThat(config.tokens()).isEqualTo(197);
        assertThat(config.patchLength()).isEqualTo(768);
    }

    @Test
    void withoutClassesThereIsNoHead() {
        VitConfig config = VitConfig.preset("vit_base_patch16_224", 1000);
        assertThat(config.withClasses(0).tensors()).doesNotContainKeys("head.weight", "head.bias");
        assertThat(config.parameters() - config.withClasses(0).parameters()).isEqualTo(1000 * 768 + 1000);
    }

    @Test
    void sizesThatDoNotFitAreRefused() {
        assertThatThrownBy(() -> new VitConfig(30, 4, 128, 6, 4, 512, 10, 1e-6))
                .isInstanceOf(UserError.class)
                .hasMessage("model: imageSize must be a positive multiple of patchSize 4, got 30");
        assertThatThrownBy(() -> new VitConfig(32, 4, 128, 6, 3, 512, 10, 1e-6))
                .isInstanceOf(UserError.class)
                .hasMessage("model: width 128 must be a multiple of heads 3");
        assertThatThrownBy(() -> VitConfig.preset("vit_huge_patch14_224", 10))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("model.preset: unknown model vit_huge_patch14_224");
    }
}

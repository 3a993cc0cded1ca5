package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PenaltyTest {
    @ParameterizedTest
    @CsvSource({
        "blocks.11.mlp.fc2.weight, true",
        "blocks.9.attn.qkv.weight, true",
        "blocks.8.attn.qkv.weight, false",
        "blocks.1.attn.qkv.weight, false",
        "patch_embed.proj.weight, false",
        "pos_embed, false",
        "cls_token, false",
        "norm.weight, true",
        "head.weight, true"
    })
    void theLastThreeOfTwelveBlocksAndWhatFollowsThemArePulled(String parameter, boolean pulled) {
        assertThat(new Penalty(0.1, 3, 0, false).applies(parameter, 12)).isEqualTo(pulled);
    }

    @Test
    void allPullsThePatchEmbeddingTooAndAllBlocksDoNot() {
        assertThat(new Penalty(0.1, Penalty.ALL, 0, false).applies("patch_embed.proj.weight", 12))
                .isTrue();
        assertThat(new Penalty(0.1, Penalty.ALL, 0, false).applies("blocks.0.mlp.fc1.bias", 12))
                .isTrue();
        assertThat(new Penalty(0.1, 12, 0, false).applies("blocks.0.mlp.fc1.bias", 12))
                .isTrue();
        assertThat(new Penalty(0.1, 12, 0, false).applies("patch_embed.proj.weight", 12))
                .isFalse();
    }

    @Test
    void theHeadHasAStrengthOfItsOwn() {
        Penalty penalty = new Penalty(0.1, 3, 0.5, false);

        assertThat(penalty.lambdaFor("head.weight", 12)).isEqualTo(0.5);
        assertThat(penalty.lambdaFor("head.bias", 12)).isEqualTo(0.5);
        assertThat(penalty.lambdaFor("blocks.9.mlp.fc1.weight", 12)).isEqualTo(0.1);
        assertThat(penalty.lambdaFor("blocks.8.mlp.fc1.weight", 12)).isZero();
    }

    @Test
    void noPenaltyPullsNothing() {
        assertThat(Penalty.NONE.lambdaFor("blocks.0.mlp.fc1.weight", 12)).isZero();
        assertThat(Penalty.NONE.lambdaFor("head.weight", 12)).isZero();
    }

    @ParameterizedTest
    @CsvSource({"-1", "NaN", "Infinity"})
    void aStrengthMustBeFiniteAndNotNegative(double strength) {
        assertThatThrownBy(() -> new Penalty(strength, 1, 0, false))
                .isInstanceOf(UserError.class)
                .hasMessage("penalty.lambda must be a finite number >= 0, got " + strength);
        assertThatThrownBy(() -> new Penalty(0, 1, strength, false))
                .isInstanceOf(UserError.class)
                .hasMessage("penalty.head must be a finite number >= 0, got " + strength);
    }

    @Test
    void noLayerAtAllIsRefused() {
        assertThatThrownBy(() -> new Penalty(0.1, 0, 0, false))
                .isInstanceOf(UserError.class)
                .hasMessage("penalty.lastLayers must be at least 1, got 0; for no penalty set penalty.lambda to 0");
    }

    @Test
    void aParameterThatTheNetworkDoesNotHaveIsRefused() {
        Penalty penalty = new Penalty(0.1, 3, 0, false);

        assertThatThrownBy(() -> penalty.applies("blocks.12.mlp.fc1.weight", 12))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("blocks.12.mlp.fc1.weight lies beyond a network of 12 blocks");
        assertThatThrownBy(() -> penalty.applies("encoder.layer.3.weight", 12))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("encoder.layer.3.weight is not the name of a ViT's parameter");
    }
}

package dev.grft.config;

import dev.grft.Checks;
import dev.grft.Orientation;
import dev.grft.Preset;
import dev.grft.Ranking;
import dev.grft.UserError;
import dev.grft.tuning.BuiltInScore;
import java.io.Serializable;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The section {@code selection}: which slices train. A preset decides axis and budget; what was given for them is then not kept.
 *
 * <p>Every constructor throws a {@link UserError} for a value out of range.
 */
public record SelectionSettings(
        @Nullable String preset,
        String axis,
        Budget budget,
        @Nullable List<String> matrices,
        String score,
        @Nullable String scores,
        boolean perLength,
        String loss,
        double temperature,
        int batchSize,
        @Nullable Integer everyEpochs,
        String released)
        implements Serializable {
    public SelectionSettings {
        Checks.word("selection.axis", axis, Checks.words(Orientation.values()));
        if (preset != null) {
            Checks.word("selection.preset", preset, Checks.words(Preset.values()));
            Preset chosen = Preset.parse(preset);
            axis = chosen.orientation().toString();
            budget = Budget.of(chosen.budget());
        }
        if (matrices != null) {
            matrices = List.copyOf(matrices);
            Checks.names("selection.matrices", matrices);
        }
        Checks.require(
                BuiltInScore.find(score) != null || score.matches("[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)+"),
                "selection.score",
                "one of " + String.join(", ", Checks.words(BuiltInScore.values()))
                        + ", or one of your own, whose word has a dot, such as lab.curvature",
                "'" + score + "'");
        if (scores != null) {
            Checks.notBlank("selection.scores", scores);
        }
        Checks.word("selection.loss", loss, "probe", "fresh", "contrastive");
        Checks.require(
                !loss.equals("contrastive") || !score.equals(BuiltInScore.FISHER.word()),
                "selection.loss",
                "probe or fresh with selection.score fisher, which draws classes from the head's probabilities",
                "'" + loss + "'");
        Checks.positive("selection.temperature", temperature);
        Checks.count("selection.batchSize", batchSize);
        Checks.require(everyEpochs == null || everyEpochs >= 1, "selection.everyEpochs", "null or >= 1", everyEpochs);
        Checks.require(
                everyEpochs == null || !axis.equals("auto"),
                "selection.everyEpochs",
                "null with selection.axis auto, which could give a matrix rows once and columns later",
                everyEpochs);
        Checks.require(
                everyEpochs == null || scores == null,
                "selection.everyEpochs",
                "null with selection.scores, which do not change during the training",
                everyEpochs);
        Checks.word("selection.released", released, "keep", "restore");
    }

    /** The matrices of a whole ViT: those of GPS, and of the published shares of parameters. */
    static final List<String> ALL = List.of("patch_embed.proj", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2");

    private static final List<String> OF_BLOCKS = ALL.subList(1, ALL.size());

    /** Returns the matrices that slices are selected from; if none are given, those of a preset's share, else those of the blocks. */
    public List<String> eligible() {
        return matrices != null ? matrices : preset != null ? ALL : List.copyOf(OF_BLOCKS);
    }

    /** Returns whether the loss compares two views of each image, which are cropped at random. */
    public boolean contrastive() {
        return loss.equals("contrastive");
    }

    /** Returns whether the scores need the gradients of whole matrices, summed over all images. */
    public boolean sumsGradients() {
        return scores == null && score.equals(BuiltInScore.SUMMED_GRADIENT.word());
    }

    /** Returns whether the scores are sums of squared gradients, as in the paper; false if they are given, since nothing says what they are. */
    boolean sumsSquares() {
        BuiltInScore builtIn = scores == null ? BuiltInScore.find(score) : null;
        return builtIn != null && builtIn.sumsSquares();
    }

    /** Returns whether another {@code batchSize} gives other scores; true for a score that is not built in. */
    public boolean dependsOnBatches() {
        BuiltInScore builtIn = BuiltInScore.find(score);
        return contrastive() || builtIn == null || builtIn == BuiltInScore.PER_BATCH;
    }

    /** Returns how many images a batch has: two views of each example, if they are compared. */
    public int imagesOfBatch() {
        return contrastive() ? Math.multiplyExact(2, batchSize) : batchSize;
    }

    /** Returns the rule that gives each matrix its axis. */
    public Orientation orientation() {
        return Orientation.parse(axis);
    }

    /** Returns what slices of different length compete by. */
    public Ranking ranking() {
        return perLength ? Ranking.PER_PARAMETER : Ranking.BY_SCORE;
    }

    /** How many; one of the two. */
    public record Budget(@Nullable Integer count, @Nullable Double fraction) implements Serializable {
        public Budget {
            if ((count == null) == (fraction == null)) {
                throw new UserError("selection.budget must have exactly one of count and fraction, got "
                        + (count == null ? "neither" : "count " + count + " and fraction " + Checks.text(fraction))
                        + "; set the other to null");
            }
            if (count != null) {
                Checks.count("selection.budget.count", count);
            }
            if (fraction != null) {
                Checks.require(fraction > 0 && fraction <= 1, "selection.budget.fraction", "in (0, 1]", fraction);
            }
        }

        private static Budget of(dev.grft.Budget budget) {
            return budget instanceof dev.grft.Budget.PerMatrix perMatrix
                    ? new Budget(perMatrix.count(), null)
                    : new Budget(null, ((dev.grft.Budget.Share) budget).fraction());
        }

        /** Returns the method's budget. */
        public dev.grft.Budget toBudget() {
            return count != null
                    ? new dev.grft.Budget.PerMatrix(count)
                    : new dev.grft.Budget.Share(Objects.requireNonNull(fraction));
        }
    }
}

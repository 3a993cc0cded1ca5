package dev.grft.config;

import dev.grft.Checks;
import dev.grft.data.Augment;
import java.io.Serializable;

/** Random changes to training images. */
public record AugmentationSettings(
        boolean crop,
        double minScale,
        double maxScale,
        double minRatio,
        double maxRatio,
        double cropSource,
        boolean flip)
        implements Serializable {
    public AugmentationSettings {
        Checks.require(maxScale > 0 && maxScale <= 1, "augmentation.maxScale", "in (0, 1]", maxScale);
        Checks.require(
                minScale > 0 && minScale <= maxScale,
                "augmentation.minScale",
                "in (0, augmentation.maxScale], here (0, " + Checks.text(maxScale) + "]",
                minScale);
        Checks.positive("augmentation.maxRatio", maxRatio);
        Checks.require(
                minRatio > 0 && minRatio <= maxRatio,
                "augmentation.minRatio",
                "in (0, augmentation.maxRatio], here (0, " + Checks.text(maxRatio) + "]",
                minRatio);
        Checks.require(cropSource >= 1 && cropSource <= 16, "augmentation.cropSource", "in [1, 16]", cropSource);
    }

    /** Returns these changes with the random numbers of a seed. */
    public Augment toAugment(long seed) {
        return new Augment(crop, minScale, maxScale, minRatio, maxRatio, flip, seed);
    }
}

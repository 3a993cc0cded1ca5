package dev.grft.config;

import dev.grft.Checks;
import dev.grft.data.Augment;
import dev.grft.data.augmentation.Changes;
import dev.grft.data.augmentation.ColorJitter;
import dev.grft.data.augmentation.Erasing;
import dev.grft.data.augmentation.Mixing;
import dev.grft.data.augmentation.RandAugment;
import java.io.Serializable;
import org.jspecify.annotations.Nullable;

/** Random changes to training images. */
public record AugmentationSettings(
        boolean crop,
        double minScale,
        double maxScale,
        double minRatio,
        double maxRatio,
        double cropSource,
        int padding,
        boolean flip,
        boolean verticalFlip,
        boolean rotate,
        @Nullable String randAugment,
        ColorJitter colorJitter,
        Erasing erasing,
        double mixup,
        double cutmix,
        double mixProbability,
        double switchProbability)
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
        Checks.require(padding >= 0, "augmentation.padding", ">= 0", padding);
        Checks.require(
                padding == 0 || !crop,
                "augmentation.padding",
                "0 with augmentation.crop, which moves images, too",
                padding);
        if (randAugment != null) {
            RandAugment.parse(randAugment);
        }
        Checks.notNegative("augmentation.mixup", mixup);
        Checks.notNegative("augmentation.cutmix", cutmix);
        Checks.require(
                mixProbability >= 0 && mixProbability <= 1, "augmentation.mixProbability", "in [0, 1]", mixProbability);
        Checks.require(
                switchProbability >= 0 && switchProbability <= 1,
                "augmentation.switchProbability",
                "in [0, 1]",
                switchProbability);
    }

    /** Returns how images of a batch are mixed with each other. */
    public Mixing mixing() {
        return new Mixing(mixup, cutmix, mixProbability, switchProbability);
    }

    private Changes changes() {
        return new Changes(
                padding,
                verticalFlip,
                rotate,
                randAugment == null ? null : RandAugment.parse(randAugment),
                colorJitter,
                erasing,
                mixing());
    }

    /** Returns these changes with the random numbers of a seed. */
    public Augment toAugment(long seed) {
        return new Augment(crop, minScale, maxScale, minRatio, maxRatio, flip, seed, changes());
    }
}

package dev.grft.spark.work;

import dev.grft.train.GradientSource;

/** Gradients from executors. */
public interface RoundSource extends GradientSource {
    /** Returns how many vectors a round sends between the driver and executors, there and back, by what is there now. */
    int vectors();
}

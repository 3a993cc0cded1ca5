package dev.grft.train;

import dev.grft.config.TrainingSettings;
import dev.grft.vit.kernels.nd4j.Flat;
import dev.grft.vit.kernels.nd4j.Freed;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.impl.transforms.pairwise.arithmetic.Axpy;
import org.nd4j.linalg.factory.Nd4j;

/**
 * The exponential moving average of a trained vector, as timm's {@code ModelEmaV3}: after step t, from 1, the average is d times itself
 * plus 1 - d times the vector. d is 0 in the first step, later the decay, at most 1 - t^(-2/3) while it warms up.
 */
public final class Average implements AutoCloseable {
    private static final double POWER = 2.0 / 3;

    private final double decay;
    private final boolean warmup;
    private final long first;
    private @Nullable INDArray values; // [N]; null until it is set

    private Average(double decay, boolean warmup, long first) {
        this.decay = decay;
        this.warmup = warmup;
        this.first = first;
    }

    /**
     * Returns the average of the settings; null if they set none.
     *
     * @param first number of steps that were made before, by another learner
     */
    public static @Nullable Average of(TrainingSettings settings, long first) {
        Double decay = settings.ema();
        return decay == null ? null : new Average(decay, settings.emaWarmup(), first);
    }

    /** Returns how much of the average stays in a step, from 1. */
    double decay(long step) {
        if (step <= 1) {
            return 0;
        }
        return warmup ? Math.min(decay, 1 - StrictMath.pow((double) step, -POWER)) : decay;
    }

    /** Goes on from an average, {@code [N]}. */
    void set(float[] average) {
        INDArray present = values;
        if (present == null) {
            present = Nd4j.createUninitialized(DataType.FLOAT, new long[] {average.length}, 'c');
            values = present;
        }
        Flat.write(average, present);
    }

    /**
     * Takes in the vector after a step, or after several that were made elsewhere.
     *
     * @param trained the vector, {@code [1, N]}
     * @param scratch as many values, which are overwritten
     * @param before number of steps, of this learner, when it was taken in last
     * @param now the same at present
     */
    void add(INDArray trained, INDArray scratch, long before, long now) {
        INDArray average = values;
        if (average == null) {
            throw new IllegalStateException("there is no average to go on from");
        }
        double stays = 1;
        for (long step = before + 1; step <= now; step++) {
            stays *= decay(first + step);
        }
        INDArray flat = trained.reshape('c', new long[] {average.length()});
        if (stays == 0) {
            average.assign(flat);
            return;
        }
        INDArray difference = scratch.reshape('c', new long[] {average.length()});
        flat.sub(average, difference);
        Nd4j.exec(new Axpy(difference, average, average, 1 - stays));
    }

    /** Returns a copy of the average, {@code [N]}; null before it is set. */
    float @Nullable [] values() {
        return values == null ? null : Flat.read(values);
    }

    @Override
    public void close() {
        Freed.array(values);
    }
}

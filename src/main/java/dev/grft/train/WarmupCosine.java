package dev.grft.train;

import java.util.Objects;
import org.nd4j.linalg.schedule.ISchedule;
import org.nd4j.shade.jackson.annotation.JsonCreator;
import org.nd4j.shade.jackson.annotation.JsonProperty;

/**
 * A learning rate that rises linearly over the first steps and then falls along half a cosine (Loshchilov and Hutter,
 * arXiv 1608.03983, without restarts), or stays.
 *
 * <p>Step s, from 0: {@code peak * (s + 1) / warmup} while s is below {@code warmup}; then, with p = (s - warmup) / (steps
 * - warmup), {@code floor + (peak - floor) * (1 + cos(pi p)) / 2}; {@code floor} from step {@code steps} on.
 */
public final class WarmupCosine implements ISchedule {
    private static final long serialVersionUID = 1L;

    private final double peak;
    private final double floor;
    private final long warmup;
    private final long steps;
    private final boolean constant;
    private final long first;

    /**
     * Returns the schedule.
     *
     * @param peak the largest learning rate
     * @param floor the last, at most {@code peak}
     * @param warmup number of rising steps, 0 for none
     * @param steps number of all steps
     * @param constant whether it stays at the peak after the warm-up
     */
    public WarmupCosine(double peak, double floor, long warmup, long steps, boolean constant) {
        this(peak, floor, warmup, steps, constant, 0);
    }

    @JsonCreator
    private WarmupCosine(
            @JsonProperty("peak") double peak,
            @JsonProperty("floor") double floor,
            @JsonProperty("warmup") long warmup,
            @JsonProperty("steps") long steps,
            @JsonProperty("constant") boolean constant,
            @JsonProperty("first") long first) {
        this.peak = peak;
        this.floor = floor;
        this.warmup = warmup;
        this.steps = steps;
        this.constant = constant;
        this.first = first;
    }

    /** Returns this schedule for a training that begins after so many of its steps: its step 0 is the schedule's first. */
    public WarmupCosine from(long first) {
        return new WarmupCosine(peak, floor, warmup, steps, constant, first);
    }

    /** Returns the learning rate of a step; the epoch does not matter. */
    @Override
    public double valueAt(int local, int epoch) {
        long step = first + local;
        if (step < warmup) {
            return peak * (step + 1) / warmup;
        }
        if (constant) {
            return peak;
        }
        double progress = steps <= warmup ? 1 : Math.min(1, (double) (step - warmup) / (steps - warmup));
        // StrictMath: the same learning rate, to the bit, on every machine.
        return floor + (peak - floor) * (1 + StrictMath.cos(Math.PI * progress)) / 2;
    }

    @Override
    public ISchedule clone() {
        return from(first);
    }

    // DL4J writes its configurations through getters.

    public double getPeak() {
        return peak;
    }

    public double getFloor() {
        return floor;
    }

    public long getWarmup() {
        return warmup;
    }

    public long getSteps() {
        return steps;
    }

    public boolean isConstant() {
        return constant;
    }

    public long getFirst() {
        return first;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof WarmupCosine schedule
                && peak == schedule.peak
                && floor == schedule.floor
                && warmup == schedule.warmup
                && steps == schedule.steps
                && constant == schedule.constant
                && first == schedule.first;
    }

    @Override
    public int hashCode() {
        return Objects.hash(peak, floor, warmup, steps, constant, first);
    }
}

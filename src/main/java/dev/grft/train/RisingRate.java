package dev.grft.train;

import java.util.Objects;
import org.nd4j.linalg.schedule.ISchedule;
import org.nd4j.shade.jackson.annotation.JsonCreator;
import org.nd4j.shade.jackson.annotation.JsonProperty;

/** A learning rate that grows exponentially from the first step to the last, for a {@link RateSearch}. */
public final class RisingRate implements ISchedule {
    private static final long serialVersionUID = 1L;

    private final double low;
    private final double high;
    private final int steps;

    /**
     * Returns the schedule.
     *
     * @param low learning rate of the first step, > 0
     * @param high that of the last
     * @param steps number of steps, 2 or more
     */
    @JsonCreator
    public RisingRate(
            @JsonProperty("low") double low, @JsonProperty("high") double high, @JsonProperty("steps") int steps) {
        this.low = low;
        this.high = high;
        this.steps = steps;
    }

    @Override
    public double valueAt(int step, int epoch) {
        return low * StrictMath.pow(high / low, (double) step / (steps - 1));
    }

    @Override
    public ISchedule clone() {
        return new RisingRate(low, high, steps);
    }

    // DL4J writes its configurations through getters.

    public double getLow() {
        return low;
    }

    public double getHigh() {
        return high;
    }

    public int getSteps() {
        return steps;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof RisingRate rate && low == rate.low && high == rate.high && steps == rate.steps;
    }

    @Override
    public int hashCode() {
        return Objects.hash(low, high, steps);
    }
}

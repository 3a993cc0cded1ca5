package dev.grft.train;

import dev.grft.config.TrainingSettings;
import java.util.Objects;
import org.nd4j.linalg.schedule.ISchedule;
import org.nd4j.shade.jackson.annotation.JsonCreator;
import org.nd4j.shade.jackson.annotation.JsonProperty;

/**
 * A learning rate that rises linearly over the first steps and then takes one of the forms of {@code training.schedule}.
 *
 * <p>Step s, from 0, has {@code peak * (s + 1) / warmup} while s is below {@code warmup}. Afterwards, with p = (s - warmup) / (steps -
 * warmup), at most 1:
 *
 * <pre>
 *   constant     peak
 *   cosine       floor + (peak - floor) * (1 + cos(pi p)) / 2     Loshchilov and Hutter, arXiv 1608.03983, without restarts
 *   linear       floor + (peak - floor) * (1 - p)                 transformers' linear, where floor is 0
 *   polynomial   floor + (peak - floor) * (1 - p)^power           transformers' polynomial, timm's poly
 *   step         peak * factor^n, where n = floor(s / interval)   timm's step, torch's StepLR
 * </pre>
 */
public final class Schedule implements ISchedule {
    private static final long serialVersionUID = 1L;

    private final String form;
    private final double peak;
    private final double floor;
    private final long warmup;
    private final long steps;
    private final double interval;
    private final double factor;
    private final double power;
    private final long first;

    /**
     * Returns a schedule.
     *
     * @param form a word of {@code training.schedule}
     * @param peak the largest learning rate
     * @param floor the last, at most {@code peak}; not read by constant and step
     * @param warmup number of rising steps, 0 for none
     * @param steps number of all steps
     * @param interval steps from one drop to the next, counted from the first step of all, above 0; read by step alone
     * @param factor of each drop, in (0, 1]; read by step alone
     * @param power above 0; read by polynomial alone
     * @param first number of steps that were made before: step 0 is this one of the schedule
     */
    @JsonCreator
    Schedule(
            @JsonProperty("form") String form,
            @JsonProperty("peak") double peak,
            @JsonProperty("floor") double floor,
            @JsonProperty("warmup") long warmup,
            @JsonProperty("steps") long steps,
            @JsonProperty("interval") double interval,
            @JsonProperty("factor") double factor,
            @JsonProperty("power") double power,
            @JsonProperty("first") long first) {
        this.form = form;
        this.peak = peak;
        this.floor = floor;
        this.warmup = warmup;
        this.steps = steps;
        this.interval = interval;
        this.factor = factor;
        this.power = power;
        this.first = first;
    }

    /**
     * Returns the schedule of a training.
     *
     * @param steps number of all steps
     * @param stepsPerEpoch number of steps that show every image once, may be a fraction
     */
    public static Schedule of(TrainingSettings training, long steps, double stepsPerEpoch) {
        return new Schedule(
                training.schedule(),
                training.rate(),
                Math.min(training.minLearningRate(), training.rate()),
                Math.min(steps, Math.round(training.warmupEpochs() * stepsPerEpoch)),
                steps,
                training.decayEpochs() * stepsPerEpoch,
                training.decayRate(),
                training.power(),
                0);
    }

    /** Returns this schedule for a training that begins after so many of its steps: its step 0 is the schedule's first. */
    public Schedule from(long other) {
        return new Schedule(form, peak, floor, warmup, steps, interval, factor, power, other);
    }

    /** Returns the learning rate of a step; the epoch does not matter. */
    @Override
    public double valueAt(int local, int epoch) {
        long step = first + local;
        if (step < warmup) {
            return peak * (step + 1) / warmup;
        }
        double progress = steps <= warmup ? 1 : Math.min(1, (double) (step - warmup) / (steps - warmup));
        // StrictMath: the same learning rate, to the bit, on every machine.
        return switch (form) {
            case "constant" -> peak;
            case "step" -> peak * StrictMath.pow(factor, Math.floor(step / interval));
            case "cosine" -> floor + (peak - floor) * (1 + StrictMath.cos(Math.PI * progress)) / 2;
            case "linear" -> floor + (peak - floor) * (1 - progress);
            case "polynomial" -> floor + (peak - floor) * StrictMath.pow(1 - progress, power);
            default -> throw new IllegalStateException("no learning rate is called " + form);
        };
    }

    @Override
    public ISchedule clone() {
        return from(first);
    }

    // DL4J writes its configurations through getters.

    public String getForm() {
        return form;
    }

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

    public double getInterval() {
        return interval;
    }

    public double getFactor() {
        return factor;
    }

    public double getPower() {
        return power;
    }

    public long getFirst() {
        return first;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Schedule schedule
                && form.equals(schedule.form)
                && peak == schedule.peak
                && floor == schedule.floor
                && warmup == schedule.warmup
                && steps == schedule.steps
                && interval == schedule.interval
                && factor == schedule.factor
                && power == schedule.power
                && first == schedule.first;
    }

    @Override
    public int hashCode() {
        return Objects.hash(form, peak, floor, warmup, steps, interval, factor, power, first);
    }
}

package dev.grft.spark.work;

import dev.grft.spark.rounds.Packet;
import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.StepGradient;
import java.util.Arrays;

/** Steps and what comes of them, as standing rounds carry them. */
final class Packets {
    private static final int OF_GRADIENT = 3; // loss, examples, seconds
    private static final int OF_STATE = 5; // and the step and the length of the trained vector

    private Packets() {}

    /** What a round asks for. */
    record Order(long step, int count, double clipNorm, LearnerState state) {}

    /** Asks for the gradient of a step at a trained vector. */
    static Packet order(long step, float[] trained) {
        return new Packet(new double[] {step, 1, 0, trained.length}, trained);
    }

    /** Asks for local steps from a state. */
    static Packet order(LearnerState from, int count, double clipNorm) {
        return new Packet(new double[] {from.step(), count, clipNorm, from.trained().length}, joined(from));
    }

    static Order order(Packet packet) {
        double[] numbers = packet.numbers();
        long step = (long) numbers[0];
        return new Order(step, (int) numbers[1], numbers[2], state(packet.vector(), (int) numbers[3], step));
    }

    static Packet of(StepGradient part) {
        return new Packet(new double[] {part.loss(), part.examples(), part.inputSeconds()}, part.gradient());
    }

    static StepGradient gradient(Packet packet) {
        double[] numbers = packet.numbers();
        return new StepGradient(packet.vector(), numbers[0], (int) numbers[1]).after(numbers[2]);
    }

    static Packet of(LocalSteps part) {
        LearnerState state = part.state();
        return new Packet(
                new double[] {part.loss(), part.examples(), part.inputSeconds(), state.step(), state.trained().length},
                joined(state));
    }

    static LocalSteps steps(Packet packet) {
        double[] numbers = packet.numbers();
        return new LocalSteps(
                        state(packet.vector(), (int) numbers[4], (long) numbers[3]), numbers[0], (long) numbers[1])
                .after(numbers[2]);
    }

    /** Returns the sum of two gradients, or the mean of two states; may change the first. */
    static Packet plus(Packet one, Packet other) {
        return switch (one.numbers().length) {
            case OF_GRADIENT -> of(gradient(one).plus(gradient(other)));
            case OF_STATE -> of(steps(one).mean(steps(other)));
            default -> throw new IllegalArgumentException("a part of " + one.numbers().length + " numbers");
        };
    }

    private static float[] joined(LearnerState state) {
        float[] joined = Arrays.copyOf(state.trained(), state.trained().length + state.updater().length);
        System.arraycopy(state.updater(), 0, joined, state.trained().length, state.updater().length);
        return joined;
    }

    private static LearnerState state(float[] joined, int trained, long step) {
        return joined.length == trained
                ? new LearnerState(joined, new float[0], step)
                : new LearnerState(
                        Arrays.copyOf(joined, trained), Arrays.copyOfRange(joined, trained, joined.length), step);
    }
}

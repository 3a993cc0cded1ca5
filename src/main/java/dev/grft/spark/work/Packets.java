package dev.grft.spark.work;

import dev.grft.spark.rounds.Packet;
import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.StepGradient;
import java.util.Arrays;

/** Steps and what comes of them, as standing rounds carry them. The first number of each packet is its kind. */
final class Packets {
    private static final double GRADIENT = 0;
    private static final double LOCAL_STEPS = 1;

    private Packets() {}

    /**
     * What a round asks for.
     *
     * @param local whether the shards make steps of their own; else the gradient of one step is computed
     * @param count of local steps, 1 or more
     */
    record Order(boolean local, int count, double clipNorm, LearnerState state) {
        long step() {
            return state.step();
        }
    }

    /** Asks for the gradient of a step at a trained vector. */
    static Packet order(long step, float[] trained) {
        return new Packet(new double[] {GRADIENT, step, trained.length, 1, 0}, trained);
    }

    /** Asks for local steps from a state. */
    static Packet order(LearnerState from, int count, double clipNorm) {
        return new Packet(
                new double[] {LOCAL_STEPS, from.step(), from.trained().length, count, clipNorm}, joined(from));
    }

    static Order order(Packet packet) {
        double[] numbers = packet.numbers();
        return new Order(isLocal(packet), (int) numbers[3], numbers[4], state(packet.vector(), (int) numbers[2], (long)
                numbers[1]));
    }

    /** Returns the first step that an order asks for. */
    static long step(Packet order) {
        return (long) order.numbers()[1];
    }

    /** Returns the first step that an order does not ask for any more. */
    static long end(Packet order) {
        return step(order) + (long) order.numbers()[3];
    }

    static Packet of(StepGradient part) {
        return new Packet(new double[] {GRADIENT, part.loss(), part.examples(), part.inputSeconds()}, part.gradient());
    }

    static StepGradient gradient(Packet packet) {
        double[] numbers = packet.numbers();
        return new StepGradient(packet.vector(), numbers[1], (int) numbers[2]).after(numbers[3]);
    }

    static Packet of(LocalSteps part) {
        return of(part, joined(part.state()), part.state().trained().length);
    }

    private static Packet of(LocalSteps part, float[] joined, int trained) {
        return new Packet(
                new double[] {
                    LOCAL_STEPS,
                    part.loss(),
                    part.examples(),
                    part.inputSeconds(),
                    part.state().step(),
                    trained
                },
                joined);
    }

    static LocalSteps steps(Packet packet) {
        return steps(packet, (int) packet.numbers()[5]);
    }

    private static LocalSteps steps(Packet packet, int trained) {
        double[] numbers = packet.numbers();
        return new LocalSteps(state(packet.vector(), trained, (long) numbers[4]), numbers[1], (long) numbers[2])
                .after(numbers[3]);
    }

    /** Returns the sum of two gradients, or the mean of two states; may change the first. */
    static Packet plus(Packet one, Packet other) {
        if (isLocal(one) != isLocal(other)) {
            throw new IllegalArgumentException("a gradient and local steps in one sum");
        }
        if (!isLocal(one)) {
            return of(gradient(one).plus(gradient(other)));
        }
        float[] all = one.vector(); // trained vector and updater alike, in place
        return of(steps(one, all.length).mean(steps(other, other.vector().length)), all, (int) one.numbers()[5]);
    }

    /** Returns how many floats the longest packet of so many trained parameters has, with the memory of any updater. */
    static int most(int trained) {
        return (int) Math.min(Integer.MAX_VALUE, 4L * trained);
    }

    private static boolean isLocal(Packet packet) {
        return packet.numbers()[0] == LOCAL_STEPS;
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

package dev.grft.spark.rounds;

/** What travels in a round: to the workers what they compute of, back to the driver a part of the sum. The arrays are kept, not copied. */
public final class Packet {
    static final int MOST_NUMBERS = 16;

    private final double[] numbers;
    private final float[] vector;

    /**
     * Returns a packet.
     *
     * @param numbers at most 16, whose meaning both sides know
     * @param vector of any length
     */
    public Packet(double[] numbers, float[] vector) {
        if (numbers.length > MOST_NUMBERS) {
            throw new IllegalArgumentException(numbers.length + " numbers, at most " + MOST_NUMBERS);
        }
        this.numbers = numbers;
        this.vector = vector;
    }

    /** Returns the numbers themselves. */
    public double[] numbers() {
        return numbers;
    }

    /** Returns the vector itself. */
    public float[] vector() {
        return vector;
    }
}

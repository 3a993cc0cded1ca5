package dev.grft.spark.rounds;

import dev.grft.rounds.Node;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The messages between a worker and the driver. Each question begins with its kind; a vector travels in pieces, so no message is larger than
 * {@link #MOST_BYTES}.
 */
final class Wire {
    /** Floats of a piece of a vector. */
    static final int PIECE = 1 << 20;

    /** Bytes of the largest message. */
    static final int MOST_BYTES = 4 * PIECE + 1024;

    static final byte HELLO = 1; // token, name; answered by nothing
    static final byte ASK = 2; // slots; answered by number, shards, or by nothing: over
    static final byte VECTOR = 3; // number, from; answered by length, numbers, floats, or by nothing: over
    static final byte NODE = 4; // number, level, index, from, length or -1, numbers, floats; answered by nothing
    static final byte BEAT = 5; // slots; answered by number

    /** A piece of a node's value. */
    static final class Piece {
        final long round;
        final Node node;
        final int from;
        final int length; // of the whole vector; -1: the node has no value
        final double[] numbers;
        final ByteBuffer floats;

        private Piece(ByteBuffer message) {
            round = message.getLong();
            node = new Node(message.getInt(), message.getInt());
            from = message.getInt();
            length = message.getInt();
            numbers = numbers(message);
            floats = message;
        }
    }

    private Wire() {}

    private static ByteBuffer buffer(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Returns a message to be read. */
    static ByteBuffer read(ByteBuffer message) {
        return message.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }

    static ByteBuffer hello(byte[] token, String name) {
        byte[] text = name.getBytes(StandardCharsets.UTF_8);
        return buffer(5 + token.length + text.length)
                .put(HELLO)
                .putInt(token.length)
                .put(token)
                .put(text)
                .flip();
    }

    static ByteBuffer ask(int slots) {
        return buffer(5).put(ASK).putInt(slots).flip();
    }

    static ByteBuffer work(long number, List<Integer> shards) {
        ByteBuffer message = buffer(8 + 4 * shards.size());
        message.putLong(number);
        shards.forEach(message::putInt);
        return message.flip();
    }

    static ByteBuffer vector(long number, int from) {
        return buffer(13).put(VECTOR).putLong(number).putInt(from).flip();
    }

    /** Returns a piece of what a round sends. */
    static ByteBuffer sent(Packet sent, int from) {
        int count = Math.min(PIECE, sent.vector().length - from);
        ByteBuffer message = buffer(4 + 4 + 8 * sent.numbers().length + 4 * count);
        message.putInt(sent.vector().length);
        put(sent.numbers(), message);
        message.asFloatBuffer().put(sent.vector(), from, count);
        return message.position(0);
    }

    /**
     * Returns a piece of a node's value.
     *
     * @param length of the vector, -1 if the node has no value
     */
    static ByteBuffer node(long number, Node node, double[] numbers, float[] vector, int from, int length) {
        int count = Math.min(PIECE, vector.length - from);
        ByteBuffer message = buffer(1 + 8 + 4 * 4 + 4 + 8 * numbers.length + 4 * count);
        message.put(NODE)
                .putLong(number)
                .putInt(node.level())
                .putInt(node.index())
                .putInt(from)
                .putInt(length);
        put(numbers, message);
        message.asFloatBuffer().put(vector, from, count);
        return message.position(0);
    }

    static ByteBuffer beat(int slots) {
        return buffer(5).put(BEAT).putInt(slots).flip();
    }

    static ByteBuffer number(long number) {
        return buffer(8).putLong(number).flip();
    }

    private static void put(double[] numbers, ByteBuffer message) {
        message.putInt(numbers.length);
        for (double number : numbers) {
            message.putDouble(number);
        }
    }

    /**
     * Reads numbers.
     *
     * @throws IllegalArgumentException if there are more than a packet may have
     * @throws BufferUnderflowException if the message ends before
     */
    static double[] numbers(ByteBuffer message) {
        int count = message.getInt();
        if (count < 0 || count > Packet.MOST_NUMBERS) {
            throw new IllegalArgumentException(count + " numbers");
        }
        double[] numbers = new double[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = message.getDouble();
        }
        return numbers;
    }

    /** Reads the rest of a message that has a piece of a node's value. */
    static Piece piece(ByteBuffer message) {
        return new Piece(message);
    }

    /** Reads floats into a vector from a place on. */
    static void floats(ByteBuffer message, float[] vector, int from) {
        int count = Math.min(PIECE, vector.length - from);
        if (message.remaining() != 4 * count) {
            throw new IllegalArgumentException(message.remaining() + " bytes of floats, expected " + 4 * count);
        }
        message.asFloatBuffer().get(vector, from, count);
    }

    static List<Integer> shards(ByteBuffer message) {
        List<Integer> shards = new ArrayList<>();
        while (message.hasRemaining()) {
            shards.add(message.getInt());
        }
        return shards;
    }

    static byte[] bytes(ByteBuffer message, int most) {
        int count = message.getInt();
        if (count < 0 || count > most) {
            throw new IllegalArgumentException(count + " bytes, at most " + most);
        }
        byte[] bytes = new byte[count];
        message.get(bytes);
        return bytes;
    }

    static String text(ByteBuffer message) {
        return StandardCharsets.UTF_8.decode(message).toString();
    }
}

package dev.grft.spark.work;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Arrays of one length, each written once, in a file of a local disk. Which ones there are is known to this JVM alone, and only once they are
 * complete: no other process reads the file. Safe for use by several threads.
 *
 * <p>Whatever is wrong with the file, nothing is read of it any more. Its arrays can be computed again.
 */
final class OutputFile implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(OutputFile.class);

    private final File file;
    private final int length; // of an array
    private final int[] places; // of each array, counted from 1; 0: it is not there
    private final Room room;
    private @Nullable RandomAccessFile open; // null: before the first array, and after the end
    private int count;
    private boolean full;
    private boolean closed;

    /** The room that files share. */
    interface Room {
        /** Returns whether a file of this folder may grow by so many bytes, which are then taken. */
        boolean take(File folder, long bytes);

        /** Gives back what was taken. */
        void give(long bytes);
    }

    /**
     * Returns an empty file.
     *
     * @param file is made with the first array
     * @param most number of arrays
     * @param length of each
     */
    OutputFile(File file, int most, int length, Room room) {
        this.file = file;
        this.length = length;
        this.places = new int[most];
        this.room = room;
    }

    private long bytes() {
        return (long) length * Float.BYTES;
    }

    /** Returns the array with a number, null if it is not there. */
    synchronized float @Nullable [] read(int number) {
        if (closed || open == null || places[number] == 0) {
            return null;
        }
        byte[] bytes = new byte[Math.toIntExact(bytes())];
        try {
            open.seek((places[number] - 1) * bytes());
            open.readFully(bytes);
        } catch (IOException e) {
            LOG.warn("{}: cannot be read back; what was in it is computed again", file, e);
            close();
            return null;
        }
        float[] values = new float[length];
        buffer(bytes).asFloatBuffer().get(values);
        return values;
    }

    /** Keeps an array if there is room. */
    synchronized void write(int number, float[] values) {
        if (closed || full || places[number] != 0 || !room.take(file.getParentFile(), bytes())) {
            return;
        }
        byte[] bytes = new byte[Math.toIntExact(bytes())];
        buffer(bytes).asFloatBuffer().put(values);
        try {
            if (open == null) {
                open = new RandomAccessFile(file, "rw");
            }
            open.seek(count * bytes());
            open.write(bytes);
        } catch (IOException e) {
            LOG.warn("{}: cannot be written; what is not in it is computed in each epoch", file, e);
            room.give(bytes());
            full = true;
            return;
        }
        count++;
        places[number] = count;
    }

    private static ByteBuffer buffer(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
    }

    /** Deletes the file. Nothing is there any more, and nothing is kept. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        room.give(count * bytes());
        if (open != null) {
            try {
                open.close();
            } catch (IOException e) {
                LOG.warn("{}: cannot be closed", file, e);
            }
            if (!file.delete() && file.exists()) {
                LOG.warn("{}: cannot be deleted", file);
            }
        }
    }
}

package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.vit.kernels.Array.DataType;
import java.lang.ref.WeakReference;
import java.nio.FloatBuffer;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Memory of any size, read and written in windows. */
class CpuMemoryTest {
    private static final int LENGTH = 83;
    private static final int BITS = 3; // windows of 8 values, each as long as two of them less one value

    private final float[] values = new float[LENGTH];
    private final FloatPointer pointer = new FloatPointer(LENGTH);

    CpuMemoryTest() {
        for (int i = 0; i < LENGTH; i++) {
            values[i] = i + 1;
        }
        pointer.put(values);
    }

    @Test
    void whateverLiesInSeveralWindowsIsReadAndWrittenAsInOne() {
        CpuMemory memory = new CpuMemory(pointer, BITS);
        Random random = new Random(1);
        for (int i = 0; i < 1000; i++) {
            int n = random.nextInt((1 << BITS) + 1);
            int at = random.nextInt(LENGTH - n);
            float[] read = new float[n + 2];
            memory.get(at, read, 1, n);
            for (int j = 0; j < n; j++) {
                assertThat(read[1 + j]).isEqualTo(values[at + j]);
                read[1 + j] = values[at + j] = random.nextFloat();
            }
            memory.put(at, read, 1, n);

            int from = random.nextInt(LENGTH - n);
            memory.put(at, new CpuMemory(pointer.getPointer(0), BITS + 2), from, n);
            System.arraycopy(values, from, values, at, n);

            FloatBuffer window = memory.window(at);
            assertThat(window.get(memory.in(at))).isEqualTo(values[at]).isEqualTo(memory.get(at));
            memory.put(at, -1);
            values[at] = -1;
        }
        float[] all = new float[LENGTH];
        pointer.get(all);
        assertThat(all).isEqualTo(values);
    }

    @Test
    void aCopyOfAnyLengthCrossesWindows() {
        CpuMemory memory = new CpuMemory(pointer, BITS);
        float[] expected = new float[40];
        for (int i = 0; i < expected.length; i++) {
            expected[i] = memory.get(10 + i);
        }

        memory.put(1, new CpuMemory(pointer.getPointer(0).capacity(pointer.capacity()), BITS + 1), 10, expected.length);

        for (int i = 0; i < expected.length; i++) {
            assertThat(memory.get(1 + i)).as("%d", i).isEqualTo(expected[i]);
        }
    }

    @Test
    void itBeginsWhereThePointerStands() {
        CpuMemory memory = new CpuMemory(new FloatPointer(pointer).position(50), BITS);
        assertThat(memory.get(0)).isEqualTo(51);
        assertThat(memory.get(LENGTH - 51)).isEqualTo(LENGTH);
    }

    @Test
    void theMemoryOfAnArrayLastsAsLongAsWhatPointsToIt() {
        Array array = Machine.zeros(DataType.FLOAT, 2, 3).fill(1);
        WeakReference<INDArray> collected = new WeakReference<>(HostArray.nd4j(array));
        CpuMemory memory = HostArray.memory(array);
        array = null;
        System.gc();
        assertThat(collected.get()).isNotNull();
        assertThat(memory.get(5)).isEqualTo(1);
    }

    /** Allocates 2.2 GB: more than a buffer of Java's can hold. */
    @Test
    @Tag("thorough")
    void kernelsComputeArraysBeyondABufferOfJavas() {
        Kernels kernels = new CpuKernels();
        long rows = 1 << 15;
        int columns = 17_000;
        try (Array x = Machine.zeros(DataType.FLOAT, rows, columns)) {
            float[] values = new float[columns];
            for (int i = 0; i < columns; i++) {
                values[i] = -8 + i * 1e-3f;
            }
            Array row = Machine.array(DataType.FLOAT, values, columns);
            kernels.fillRows(row, x);
            kernels.gelu(null, x, x);
            kernels.add(x, x);
            Array once = Machine.array(DataType.FLOAT, values, 1, columns);
            kernels.gelu(null, once, once);
            kernels.add(once, once);
            float[] expected = once.floats();
            for (long i : new long[] {0, rows / 2, rows - 1}) {
                assertThat(x.rows(i, i + 1).floats()).isEqualTo(expected);
            }
            int[] some = {3, columns - 1};
            Array chosen = Machine.zeros(DataType.FLOAT, 2, rows);
            kernels.columnsToRows(x, some, chosen);
            assertThat(chosen.floats()[2 * (int) rows - 1]).isEqualTo(expected[columns - 1]);
            kernels.addRowsToColumns(chosen, some, x);
            assertThat(x.rows(rows - 1, rows).floats()[columns - 1]).isEqualTo(2 * expected[columns - 1]);
            Array last = Machine.zeros(DataType.FLOAT, 1, columns);
            kernels.copyRows(x, (int) rows - 1, last, 0, 1, 1);
            assertThat(last.floats()).isEqualTo(x.rows(rows - 1, rows).floats());
        }
    }
}

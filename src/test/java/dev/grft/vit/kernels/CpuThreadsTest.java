package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.onednn.OneDnn;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Loops over rows run on as many threads as a product may use, and give the same bits on any number. */
class CpuThreadsTest {
    private static final int M = 301; // rows, no multiple of what a thread takes
    private static final int N = 772;
    private static final int HEADS = 4;

    private final CpuThreads threads = new CpuThreads();

    @BeforeAll
    static void prepare() {
        Backend.prepare();
    }

    /** Products keep their one thread: their last bits would depend on more. */
    @AfterEach
    void useOneThread() {
        OneDnn.threads(1);
        threads.free();
    }

    @Test
    void allThreadsWorkAtOnceAndEachRowIsComputedOnce() {
        OneDnn.threads(3);
        CyclicBarrier together = new CyclicBarrier(3);
        Set<Thread> met = ConcurrentHashMap.newKeySet();
        AtomicInteger[] computed =
                IntStream.range(0, 1000).mapToObj(i -> new AtomicInteger()).toArray(AtomicInteger[]::new);

        threads.rows(computed.length, 1000, (lane, from, to) -> {
            if (met.add(Thread.currentThread())) {
                await(together);
            }
            for (int i = (int) from; i < to; i++) {
                computed[i].incrementAndGet();
            }
        });

        assertThat(met).hasSize(3).contains(Thread.currentThread());
        assertThat(met).filteredOn(thread -> thread != Thread.currentThread()).allMatch(Thread::isDaemon);
        assertThat(computed).extracting(AtomicInteger::get).containsOnly(1);
    }

    @Test
    void aShortLoopAndOneOfASingleThreadStayOnTheThreadThatCalls() {
        List<Thread> seen = new ArrayList<>();
        CpuThreads.Loop loop = (lane, from, to) -> seen.add(Thread.currentThread());
        threads.rows(1_000_000, 1000, loop);
        OneDnn.threads(4);
        threads.rows(60, 1000, loop);
        threads.rows(0, 1000, loop);
        assertThat(seen).containsExactly(Thread.currentThread(), Thread.currentThread(), Thread.currentThread());
    }

    @Test
    void whatFailsOnAThreadIsThrownOnceAllHaveEnded() {
        OneDnn.threads(2);
        CyclicBarrier together = new CyclicBarrier(2);
        AtomicInteger ended = new AtomicInteger();
        Thread caller = Thread.currentThread();
        assertThatThrownBy(() -> threads.rows(2, 1 << 20, (lane, from, to) -> {
                    await(together);
                    if (Thread.currentThread() != caller) {
                        throw new ArithmeticException("row " + from);
                    }
                    ended.incrementAndGet();
                }))
                .hasRootCauseInstanceOf(ArithmeticException.class);
        assertThat(ended).hasValue(1);
    }

    @Test
    void anInterruptIsKeptAndDoesNotLeaveALoopEarly() {
        OneDnn.threads(2);
        CyclicBarrier together = new CyclicBarrier(2);
        AtomicInteger ended = new AtomicInteger();
        Thread caller = Thread.currentThread();
        threads.rows(2, 1 << 20, (lane, from, to) -> {
            await(together);
            if (Thread.currentThread() == caller) {
                caller.interrupt();
            } else {
                pause();
            }
            ended.incrementAndGet();
        });
        assertThat(ended).hasValue(2);
        assertThat(Thread.interrupted()).isTrue();
    }

    /** Sums of 1,000,003 rows of one column, of few wide rows, and of one block, with values that any other order rounds otherwise. */
    @ParameterizedTest
    @ValueSource(ints = {1, 5, 3000})
    void sumsAddBlocksInTheirOrder(int n) {
        int rows = n == 1 ? 1_000_003 : n == 5 ? 10 : 777;
        float[] expected = sum(rows, n, 1);
        for (int number : new int[] {2, 4}) {
            assertThat(sum(rows, n, number)).as("%d threads", number).containsExactly(expected);
        }
        double exact = IntStream.range(0, rows).mapToDouble(i -> 1f / (1 + i)).sum();
        assertThat(expected).usingComparatorWithPrecision(1e-3f).containsOnly((float) exact);
    }

    private float[] sum(long rows, int n, int number) {
        OneDnn.threads(number);
        return threads.sum(rows, n, n, (lane, from, to, acc) -> {
            for (long i = from; i < to; i++) {
                for (int j = 0; j < n; j++) {
                    acc[j] += 1f / (1 + i);
                }
            }
        });
    }

    @Test
    void kernelsGiveTheSameBitsOnAnyNumberOfThreads() {
        sameBits(false);
    }

    @Test
    void kernelsOfBfloat16GiveTheSameBitsOnAnyNumberOfThreads() {
        Machine.needBf16();
        sameBits(true);
    }

    private static void sameBits(boolean bf16) {
        List<Array> one = results(bf16, 1);
        for (int number : new int[] {2, 4}) {
            List<Array> several = results(bf16, number);
            for (int i = 0; i < one.size(); i++) {
                assertThat(Arrays.mismatch(several.get(i).doubles(), one.get(i).doubles()))
                        .as("value in which result %d on %d threads is not that of one", i, number)
                        .isEqualTo(-1);
            }
        }
    }

    /** Returns what the kernels of a block write, forward and backward. */
    private static List<Array> results(boolean bf16, int number) {
        OneDnn.threads(number);
        Kernels kernels = new CpuKernels(bf16);
        DataType between = bf16 ? DataType.BFLOAT16 : DataType.FLOAT;
        List<Array> all = new ArrayList<>();
        Array gamma = normal(N);
        Array beta = normal(N);
        Array x = normal(M, N);
        Array y = made(all, between, M, N);
        Array z = made(all, DataType.FLOAT, M, N);
        Array inverse = made(all, DataType.FLOAT, M);
        kernels.layerNorm(x, gamma, beta, 1e-6, z, inverse, y);
        Array again = made(all, between, M, N);
        kernels.scaleAndShift(z, gamma, beta, again);
        Array dy = Machine.copy(normal(M, N), between);
        Array dx = made(all, DataType.FLOAT, M, N).copy(x);
        kernels.layerNormBackward(dy, gamma, z, inverse, dx);
        kernels.columnDots(dy, z, made(all, DataType.FLOAT, N));
        kernels.columnSums(dy, made(all, DataType.FLOAT, N));
        Array filled = made(all, between, M, N);
        kernels.fillRows(beta, filled);
        kernels.add(dy, made(all, DataType.FLOAT, M, N).copy(x));
        kernels.add(y, filled);
        kernels.sum(dy, y, made(all, DataType.FLOAT, M, N));
        kernels.scaleColumns(x, gamma, made(all, DataType.FLOAT, M, N));
        float[] factors = new float[7];
        IntStream.range(0, 7).forEach(i -> factors[i] = i / 3f);
        kernels.scaleExamples(x, factors, made(all, DataType.FLOAT, M, N));
        kernels.copyRows(y, 3, made(all, DataType.FLOAT, M, N).copy(x), 2, 40, 7);
        kernels.copyRows(x, 3, made(all, DataType.FLOAT, M, N).copy(z), 2, 40, 7);
        int[] columns = IntStream.range(0, 120).map(i -> i * 6).toArray();
        Array rows = made(all, DataType.FLOAT, columns.length, M);
        kernels.columnsToRows(dy, columns, rows);
        kernels.addRowsToColumns(rows, columns, made(all, between, M, N).copy(dy));
        int[] entries = IntStream.range(0, 2 * N).map(i -> i * 7 % N).toArray();
        Array dots = made(all, DataType.FLOAT, 2 * N);
        kernels.entryDots(dy, y, entries, dots);
        kernels.addEntries(normal(2 * N, N), entries, dots, made(all, DataType.FLOAT, 2 * N, N));
        Array hidden = Machine.copy(normal(M, N), between);
        Array activated = made(all, between, M, N);
        kernels.gelu(bf16 ? null : beta, hidden, activated);
        Array gradient = made(all, between, M, N).copy(dy);
        kernels.geluBackward(hidden, gradient);
        kernels.sigmoidGelu(null, 1.702, 0, Machine.copy(y, between), made(all, between, M, N));
        squares(kernels, all, x, z);
        tokens(kernels, all);
        if (!bf16) { // products in bfloat16 have threads of their own
            attention(kernels, all, true);
            attention(kernels, all, false);
        }
        losses(kernels, all);
        kernels.free();
        return all;
    }

    private static void squares(Kernels kernels, List<Array> all, Array x, Array z) {
        kernels.addSquares(x, made(all, DataType.DOUBLE, M), made(all, DataType.DOUBLE, N));
        kernels.addAbsolutes(x, made(all, DataType.DOUBLE, M), made(all, DataType.DOUBLE, N));
        for (int examples : new int[] {1, 7}) {
            kernels.addSquaredGradients(x, z, examples, made(all, DataType.DOUBLE, N), made(all, DataType.DOUBLE, N));
        }
    }

    private static void tokens(Kernels kernels, List<Array> all) {
        Array patches = made(all, DataType.FLOAT, 5 * 49, 3 * 16 * 16);
        kernels.patches(normal(5, 3, 112, 112), 16, patches);
        Array tokens = made(all, DataType.FLOAT, 5 * 50, 3 * 16 * 16);
        kernels.tokens(patches, normal(768), normal(50, 768), 5, tokens);
        Array pooled = made(all, DataType.FLOAT, 5, 2 * 768);
        kernels.pool(tokens, 1, pooled);
        kernels.poolBackward(pooled, 1, made(all, DataType.FLOAT, 5 * 50, 768));
        kernels.sumExamples(tokens, 5, made(all, DataType.FLOAT, 50, 768));
    }

    private static void attention(Kernels kernels, List<Array> all, boolean kept) {
        int t = 43;
        int d = 64 * HEADS;
        Array qkv = normal(7 * t, 3 * d);
        Array weights = kept ? made(all, DataType.FLOAT, (long) HEADS * 7 * t, t) : null;
        kernels.attention(qkv, HEADS, 7, weights, made(all, DataType.FLOAT, 7 * t, d));
        kernels.attentionBackward(normal(7 * t, d), qkv, weights, HEADS, 7, made(all, DataType.FLOAT, 7 * t, 3 * d));
        Array apart = made(all, DataType.FLOAT, 7 * t * HEADS, d);
        Array x = normal(7 * t, d);
        kernels.headsApart(x, HEADS, apart);
        kernels.addHeads(apart, HEADS, made(all, DataType.FLOAT, 7 * t, d).copy(x));
    }

    private static void losses(Kernels kernels, List<Array> all) {
        int classes = 999;
        Array logits = normal(31, classes);
        Array targets = uniform(31, classes + 1);
        kernels.binaryCrossEntropy(
                logits, targets, made(all, DataType.FLOAT, 31), made(all, DataType.FLOAT, 31, classes));
        Array one = uniform(31, classes);
        kernels.crossEntropy(logits, one, made(all, DataType.FLOAT, 31), made(all, DataType.FLOAT, 31, classes));
        float[] pairs = new float[31 * 31];
        pairs[30] = 1;
        pairs[30 * 31] = 1;
        Array same = Machine.array(DataType.FLOAT, pairs, 31, 31);
        kernels.contrastive(logits, same, 0.1, made(all, DataType.FLOAT, 31), made(all, DataType.FLOAT, 31, classes));
    }

    private static Array normal(long... shape) {
        int length = (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b);
        return Machine.array(DataType.FLOAT, Machine.normal(length, length), shape);
    }

    private static Array uniform(long... shape) {
        int length = (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b);
        Random random = new Random(length);
        return Machine.array(DataType.FLOAT, Machine.each(length, i -> random.nextFloat()), shape);
    }

    /** Returns zeros that are among the results. */
    private static Array made(List<Array> all, DataType type, long... shape) {
        Array array = Machine.zeros(type, shape);
        all.add(array);
        return array;
    }

    private static void await(CyclicBarrier barrier) {
        try {
            barrier.await(60, TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static void pause() {
        try {
            Thread.sleep(50);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}

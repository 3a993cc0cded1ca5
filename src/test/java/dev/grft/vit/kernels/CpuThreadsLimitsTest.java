package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.onednn.OneDnn;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What loops do when threads cannot be had or fail, what their sums may keep, and from which size on copies are shared. */
class CpuThreadsLimitsTest {
    private static final int ROWS = 8;
    private static final int PART = 1 << 16; // width of a row that is a part of its own

    @BeforeAll
    static void prepare() {
        Backend.prepare();
    }

    @AfterEach
    void useOneThread() {
        OneDnn.threads(1);
    }

    static Stream<Throwable> refusals() {
        return Stream.of(new OutOfMemoryError("unable to create native thread"), new RejectedExecutionException());
    }

    /** The first helper begins, the second cannot: no row may be computed after the loop has ended. */
    @ParameterizedTest
    @MethodSource("refusals")
    void fewerThreadsShareALoopIfNoMoreCanBeStarted(Throwable refusal) {
        OneDnn.threads(4);
        AtomicInteger calls = new AtomicInteger();
        Executor pool = helper -> {
            if (calls.incrementAndGet() > 1) {
                CpuThreadsLimitsTest.<RuntimeException>raise(refusal);
            }
            new Thread(helper, "helper").start();
        };
        AtomicBoolean ended = new AtomicBoolean();
        AtomicInteger late = new AtomicInteger();
        AtomicInteger[] computed =
                Stream.generate(AtomicInteger::new).limit(ROWS).toArray(AtomicInteger[]::new);
        Set<Thread> met = ConcurrentHashMap.newKeySet();
        CountDownLatch both = new CountDownLatch(2);

        new CpuThreads(pool).rows(ROWS, PART, (lane, from, to) -> {
            if (met.add(Thread.currentThread())) {
                both.countDown();
                await(both);
            }
            for (int i = (int) from; i < to; i++) {
                computed[i].incrementAndGet();
            }
            if (ended.get()) {
                late.incrementAndGet();
            }
        });
        ended.set(true);

        assertThat(computed).extracting(AtomicInteger::get).containsOnly(1);
        assertThat(met).hasSize(2).contains(Thread.currentThread());
        assertThat(calls).hasValue(2);
        assertThat(late).hasValue(0);
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void raise(Throwable throwable) throws T {
        throw (T) throwable;
    }

    /** The caller and both helpers fail: the caller's own exception is thrown, once all have ended. */
    @Test
    void theFailureOfTheCallerIsThrownAndThoseOfItsHelpersAreAttached() {
        OneDnn.threads(3);
        Thread caller = Thread.currentThread();
        CountDownLatch all = new CountDownLatch(3);
        AtomicInteger computed = new AtomicInteger();

        assertThatThrownBy(() -> new CpuThreads().rows(1000, PART, (lane, from, to) -> {
                    computed.incrementAndGet();
                    all.countDown();
                    await(all);
                    throw Thread.currentThread() == caller
                            ? new ArithmeticException("caller")
                            : new IllegalArgumentException("helper");
                }))
                .isInstanceOf(ArithmeticException.class)
                .hasMessage("caller")
                .satisfies(e -> {
                    Throwable attached = e.getSuppressed()[0];
                    assertThat(attached.getCause()).hasMessage("helper");
                    assertThat(attached.getSuppressed()).hasSize(1);
                    assertThat(attached.getSuppressed()[0]).hasMessage("helper");
                });
        assertThat(computed).as("parts after a failure").hasValue(3);
    }

    /** GPS of all 768 inputs of each of 3072 neurons: 64 blocks of their sums would be 604 MB. */
    @ParameterizedTest
    @CsvSource({"3072, 50", "2359296, 3", "9000000, 1"})
    void theBlocksOfASumDependOnSizesAloneAndKeepABoundedNumberOfValues(int n, int blocks) {
        for (int number : new int[] {1, 2}) {
            OneDnn.threads(number);
            Set<float[]> parts = Collections.synchronizedSet(Collections.newSetFromMap(new IdentityHashMap<>()));
            new CpuThreads().sum(3200, n, n, (lane, from, to, acc) -> parts.add(acc));
            assertThat(parts).as("%d threads", number).hasSize(blocks);
        }
    }

    @Test
    void aLoopThatOnlyMovesValuesIsSharedFromTwoMillionOn() {
        OneDnn.threads(2);
        AtomicInteger calls = new AtomicInteger();
        CpuThreads threads = new CpuThreads();
        threads.moves(1576, 768, (lane, from, to) -> calls.incrementAndGet());
        assertThat(calls).as("parts of a batch of 8").hasValue(1);
        threads.moves(4 * 1576, 768, (lane, from, to) -> calls.incrementAndGet());
        assertThat(calls).hasValueGreaterThan(2);
    }

    /** The kernels of such loops, on arrays large enough for threads. */
    @Test
    void kernelsThatOnlyMoveValuesGiveTheSameValuesOnTwoThreads() {
        int d = 768;
        int m = 2 * 1400; // two examples
        Array x = normal(m, d);
        Array factors = normal(d);
        Array positions = normal(m / 2 + 1, d);
        List<Consumer<Array>> moves = List.of(
                y -> new CpuKernels(false).fillRows(factors, y),
                y -> new CpuKernels(false).scaleColumns(x, factors, y),
                y -> new CpuKernels(false).scaleExamples(x, new float[] {2, 3}, y),
                y -> new CpuKernels(false).copyRows(x, 3, y, 2, 1397, 2),
                y -> new CpuKernels(false).tokens(x, factors, positions, 2, y),
                y -> new CpuKernels(false).headsApart(x, 12, y));
        for (int i = 0; i < moves.size(); i++) {
            long rows = i == 4 ? m + 2 : i == 5 ? 12L * m : m;
            Array one = Machine.zeros(DataType.FLOAT, rows, d);
            OneDnn.threads(1);
            moves.get(i).accept(one);
            assertThat(Machine.nd4j(one).maxNumber().floatValue())
                    .as("kernel %d", i)
                    .isPositive();
            Array two = Machine.zeros(DataType.FLOAT, rows, d);
            OneDnn.threads(2);
            moves.get(i).accept(two);
            assertThat(Arrays.mismatch(two.floats(), one.floats()))
                    .as("kernel %d", i)
                    .isEqualTo(-1);
        }
    }

    private static Array normal(int... shape) {
        int length = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
        return Machine.array(
                DataType.FLOAT,
                Machine.normal(length, length),
                Arrays.stream(shape).asLongStream().toArray());
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}

package dev.grft.bench;

import java.util.ArrayList;
import java.util.List;

/** Something that can be done again and again, and tells how long it took. */
interface Work extends AutoCloseable {

    /** Returns who does it, and what. */
    String name();

    /** Does it once, and returns the milliseconds. */
    double milliseconds();

    @Override
    default void close() {}

    /** Returns work of this process. */
    static Work of(String name, Runnable once) {
        return new Work() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public double milliseconds() {
                long start = System.nanoTime();
                once.run();
                return (System.nanoTime() - start) / 1e6;
            }
        };
    }

    /**
     * Returns the times of each, done in turn: what disturbs the machine for a while disturbs all of them. Before that each is done by
     * itself: Java still compiles after twenty steps, which would disturb whoever stands beside it, too.
     *
     * @param warmUpSeconds for how long each is done before it counts, and three times at least
     * @param repetitions how often each counts
     */
    static List<Times> inTurn(List<? extends Work> all, double warmUpSeconds, int repetitions) {
        for (Work work : all) {
            long start = System.nanoTime();
            for (int i = 0; i < 3 || (System.nanoTime() - start) / 1e9 < warmUpSeconds; i++) {
                work.milliseconds();
            }
        }
        double[][] times = new double[all.size()][repetitions];
        for (int i = 0; i < repetitions; i++) {
            for (int w = 0; w < all.size(); w++) {
                times[w][i] = all.get(w).milliseconds();
            }
        }
        List<Times> result = new ArrayList<>();
        for (double[] each : times) {
            result.add(new Times(each));
        }
        return result;
    }
}

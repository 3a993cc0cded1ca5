package dev.grft.spark.cluster;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.spark.SparkContext;
import org.apache.spark.status.api.v1.ExecutorSummary;
import org.apache.spark.storage.BlockManagerId;
import scala.collection.JavaConverters;

/** Where executors are, as Spark names the places that tasks prefer. */
@SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
public final class Places {
    private static final String DRIVER = "driver"; // Spark's name of the executor of local mode

    private Places() {}

    /** Returns the place of each executor that is there, by its id. To be called on the driver. */
    public static SortedMap<String, String> of(SparkContext spark) {
        SortedMap<String, String> places = new TreeMap<>();
        for (BlockManagerId id : JavaConverters.mapAsJavaMap(
                        spark.env().blockManager().master().getMemoryStatus())
                .keySet()) {
            if (!id.isDriver()) {
                places.put(id.executorId(), "executor_" + id.host() + "_" + id.executorId());
            }
        }
        return places;
    }

    /**
     * Returns how many tasks each executor that is there computes at a time, by its id: 1 or more, by its cores, the CPUs of a task and the tasks that
     * share a GPU. In local mode the driver is the one executor. To be called on the driver.
     */
    public static SortedMap<String, Integer> slots(SparkContext spark) {
        ExecutorSettings settings = ExecutorSettings.of(spark.getConf());
        Map<String, Integer> cores =
                new HashMap<>(); // as executors have said, which is more than the settings may tell
        for (ExecutorSummary executor :
                JavaConverters.seqAsJavaList(spark.statusStore().executorList(true))) {
            cores.put(executor.id(), executor.totalCores());
        }
        SortedMap<String, Integer> slots = new TreeMap<>();
        if (spark.isLocal()) {
            slots.put(DRIVER, Math.max(1, cores.getOrDefault(DRIVER, spark.defaultParallelism()) / settings.cpus()));
        }
        for (String id : of(spark).keySet()) {
            slots.put(id, Math.max(1, settings.tasks(cores.getOrDefault(id, settings.cores()))));
        }
        return slots;
    }

    /**
     * Returns the executors of so many tasks, each as often as it has tasks and those of one beside each other. Tasks are spread over all executors before
     * one gets a second, and none gets more than its slots.
     *
     * @param slots of each executor
     * @param first executors that get tasks before others
     * @return fewer than {@code tasks} if there are not so many slots
     */
    public static List<String> spread(SortedMap<String, Integer> slots, Set<String> first, int tasks) {
        List<String> order = new ArrayList<>(slots.keySet());
        order.sort(Comparator.comparing(id -> !first.contains(id)));
        Map<String, Integer> taken = new LinkedHashMap<>();
        int left = tasks;
        int most = slots.values().stream().mapToInt(Integer::intValue).max().orElse(0);
        for (int turn = 0; left > 0 && turn < most; turn++) {
            for (String id : order) {
                if (left > 0 && slots.getOrDefault(id, 0) > turn) {
                    taken.merge(id, 1, Integer::sum);
                    left--;
                }
            }
        }
        List<String> spread = new ArrayList<>();
        taken.forEach((id, count) -> spread.addAll(Collections.nCopies(count, id)));
        return spread;
    }
}

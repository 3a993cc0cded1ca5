package dev.grft.spark.cluster;

import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.spark.SparkContext;
import org.apache.spark.storage.BlockManagerId;
import scala.collection.JavaConverters;

/** Where executors are, as Spark names the places that tasks prefer. */
public final class Places {
    private Places() {}

    /** Returns the place of each executor that is there, by its id. To be called on the driver. */
    @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
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
}

package dev.grft.spark.work;

import dev.grft.spark.cluster.Causes;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.rdd.RDD;
import scala.Function1;
import scala.collection.Iterator;
import scala.reflect.ClassTag$;
import scala.runtime.BoxedUnit;

/** One pass over a set of images: a Spark job over its pieces, each computed block by block. */
final class Pass {
    private Pass() {}

    /**
     * Hands over all elements in their order while the job runs. The driver holds those of partitions that came before their turn, and
     * not all of them as {@code collect} does.
     *
     * @param each is called by one thread of Spark's at a time
     */
    static <T> void inOrder(JavaRDD<T> elements, Consumer<T> each) {
        RDD<T> rdd = elements.rdd();
        Turns<T> turns = new Turns<>(each);
        Function1<Iterator<T>, ArrayList<T>> listed = (Function1<Iterator<T>, ArrayList<T>> & Serializable) part -> {
            ArrayList<T> list = new ArrayList<>();
            while (part.hasNext()) {
                list.add(part.next());
            }
            return list;
        };
        Causes.unwrapped(() -> {
            rdd.context()
                    .runJob(
                            rdd,
                            listed,
                            (partition, list) -> {
                                turns.come((Integer) partition, list);
                                return BoxedUnit.UNIT;
                            },
                            ClassTag$.MODULE$.<ArrayList<T>>apply(ArrayList.class));
            return true;
        });
    }

    /** Holds lists until all before them have come. */
    private static final class Turns<T> {
        private final Consumer<T> each;
        private final TreeMap<Integer, List<T>> early = new TreeMap<>();
        private int next;

        Turns(Consumer<T> each) {
            this.each = each;
        }

        synchronized void come(int number, List<T> list) {
            early.put(number, list);
            for (List<T> now = early.remove(next); now != null; now = early.remove(next)) {
                next++;
                now.forEach(each);
            }
        }
    }
}

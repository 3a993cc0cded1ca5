package dev.grft.spark.work;

import dev.grft.spark.cluster.EveryPartition;
import dev.grft.spark.images.Shard;
import java.io.Serializable;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.Dependency;
import org.apache.spark.Partition;
import org.apache.spark.TaskContext;
import org.apache.spark.rdd.RDD;
import scala.collection.JavaConverters;
import scala.reflect.ClassTag$;

/** Tasks each of which can read every shard, and none of which belongs to one. */
@SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
final class StandingRdd extends RDD<Integer> {
    private static final long serialVersionUID = 1L;

    private final RDD<Shard> shards;
    private final Partition[] partitions; // of the shards: on executors they are not computed again
    private final Work work;
    private final int tasks;
    private final List<String> places;

    /** What a task does. */
    interface Work extends Serializable {
        /** Works until there is no more to do, and returns how many shards were computed. */
        int work(Reader shards, TaskContext context);
    }

    /** Reads shards within a task. */
    interface Reader {
        /** Returns a shard, which is found or made when it is asked for. */
        Iterator<Shard> shard(int number);
    }

    /**
     * Returns so many tasks.
     *
     * @param places where tasks are to run, in Spark's words; they are spread over these
     */
    StandingRdd(RDD<Shard> shards, int tasks, List<String> places, Work work) {
        super(
                shards.sparkContext(),
                JavaConverters.asScalaBuffer(List.<Dependency<?>>of(new EveryPartition<>(shards)))
                        .toSeq(),
                ClassTag$.MODULE$.apply(Integer.class));
        this.shards = shards;
        this.partitions = shards.partitions();
        this.tasks = tasks;
        this.places = List.copyOf(places);
        this.work = work;
    }

    @Override
    public Partition[] getPartitions() {
        return EveryPartition.numbered(tasks);
    }

    /** Without this, Spark would send all tasks to where the first shard is. */
    @Override
    public scala.collection.immutable.Seq<String> getPreferredLocations(Partition split) {
        List<String> here = places.isEmpty()
                ? List.of()
                : List.of(places.get((int) ((long) split.index() * places.size() / tasks)));
        return JavaConverters.asScalaBuffer(here).toList();
    }

    @Override
    public scala.collection.Iterator<Integer> compute(Partition split, TaskContext context) {
        int computed = work.work(
                number -> JavaConverters.asJavaIterator(shards.iterator(partitions[number], context)), context);
        return JavaConverters.asScalaIterator(List.of(computed).iterator());
    }
}

package dev.grft.spark.tables;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.spark.Dependency;
import org.apache.spark.NarrowDependency;
import org.apache.spark.Partition;
import org.apache.spark.TaskContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.execution.datasources.FilePartition;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import scala.collection.JavaConverters;

/** The rows of splits of files, each a partition of its own before, in partitions of about as many bytes, in the order of the files. */
@SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
public final class InFileOrder extends RDD<Row> {
    private static final long serialVersionUID = 1L;

    private final RDD<Row> splits;
    private final transient List<Group> groups;

    /** Splits that follow each other. */
    private static final class Group implements Partition {
        private static final long serialVersionUID = 1L;

        private final int index;
        private final ArrayList<Partition> splits = new ArrayList<>();

        Group(int index) {
            this.index = index;
        }

        @Override
        public int index() {
            return index;
        }
    }

    /** Says which splits a group has. */
    private static final class OfGroup extends NarrowDependency<Row> {
        private static final long serialVersionUID = 1L;

        private final transient List<Group> groups; // the driver alone looks

        OfGroup(RDD<Row> splits, List<Group> groups) {
            super(splits);
            this.groups = groups;
        }

        @Override
        public scala.collection.immutable.Seq<Object> getParents(int partition) {
            List<Object> parents = new ArrayList<>();
            groups.get(partition).splits.forEach(split -> parents.add(split.index()));
            return JavaConverters.asScalaBuffer(parents).toList();
        }
    }

    /**
     * Returns the rows of a scan.
     *
     * @param splits a partition for each split of a file, see {@link #canTell}
     * @param most partitions, about
     */
    public InFileOrder(RDD<Row> splits, int most) {
        this(splits, groups(splits.partitions(), most));
    }

    private InFileOrder(RDD<Row> splits, List<Group> groups) {
        super(
                splits.sparkContext(),
                JavaConverters.<Dependency<?>>asScalaBuffer(List.of(new OfGroup(splits, groups)))
                        .toSeq(),
                splits.elementClassTag());
        this.splits = splits;
        this.groups = groups;
    }

    private static List<Group> groups(Partition[] unordered, int most) {
        Partition[] splits = unordered.clone();
        Arrays.sort(
                splits,
                Comparator.comparing((Partition split) ->
                                file(split).toPath().toUri().getPath())
                        .thenComparing(split -> file(split).start()));
        long bytes =
                Arrays.stream(splits).mapToLong(split -> file(split).length()).sum();
        List<Group> groups = new ArrayList<>();
        long before = 0; // bytes of the splits before
        for (Partition split : splits) {
            if (groups.isEmpty() || before >= (double) bytes / most * groups.size()) {
                groups.add(new Group(groups.size()));
            }
            groups.get(groups.size() - 1).splits.add(split);
            before += file(split).length();
        }
        return groups;
    }

    /** Returns whether the partitions of a scan are splits of files, as Spark makes them. Those of native engines are not. */
    public static boolean canTell(RDD<Row> splits) {
        return Arrays.stream(splits.partitions())
                .allMatch(split -> split instanceof FilePartition files && files.files().length == 1);
    }

    private static PartitionedFile file(Partition split) {
        return ((FilePartition) split).files()[0];
    }

    @Override
    public Partition[] getPartitions() {
        return groups.toArray(Partition[]::new);
    }

    @Override
    public scala.collection.Iterator<Row> compute(Partition group, TaskContext task) {
        Iterator<Partition> left = ((Group) group).splits.iterator();
        return JavaConverters.asScalaIterator(
                new Iterator<>() { // a stream would hold all rows of a split
                    private Iterator<Row> rows = Collections.emptyIterator();

                    @Override
                    public boolean hasNext() {
                        while (!rows.hasNext() && left.hasNext()) {
                            rows = JavaConverters.asJavaIterator(splits.iterator(left.next(), task));
                        }
                        return rows.hasNext();
                    }

                    @Override
                    public Row next() {
                        if (!hasNext()) {
                            throw new NoSuchElementException();
                        }
                        return rows.next();
                    }
                });
    }
}

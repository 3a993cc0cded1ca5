package dev.grft.spark.tables;

import dev.grft.UserError;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.mapreduce.JobContext;
import org.apache.hadoop.mapreduce.TaskAttemptContext;
import org.apache.hadoop.mapreduce.TaskAttemptID;
import org.apache.spark.internal.io.FileCommitProtocol;
import org.apache.spark.internal.io.FileNameSpec;
import org.apache.spark.sql.DataFrameWriter;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import scala.Option;

/**
 * Writes the files of a table where they stay, and moves none: Spark's own committers write elsewhere and rename, which object stores do by
 * copying. Each attempt of a task has names of its own, such as {@code part-00003-GENERATION-ATTEMPT-c000.parquet}, so no file is ever
 * written twice. Files of attempts that failed may stay; only the names that {@link #save} returns are of the table.
 */
public final class FilesInPlace extends FileCommitProtocol implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final String KEY = "spark.sql.sources.commitProtocolClass";
    private static final String NAMES = "grft.files.names";
    private static final String GENERATION = "grft.files.generation";

    /** The names of the files of tables that this driver has just written, by generation. */
    private static final Map<String, List<String>> COMMITTED = new ConcurrentHashMap<>();

    private final String folder;
    private transient List<String> written = new ArrayList<>(); // by this attempt of a task

    /** Spark makes one for each job, from the name of the class. */
    public FilesInPlace(String job, String folder) {
        this.folder = folder;
    }

    /** Makes the tables of a session be written so. */
    public static void in(SparkSession session) {
        session.conf().set(KEY, FilesInPlace.class.getName());
    }

    /**
     * Writes a table of a session that is {@linkplain #in set up} for it, and returns the names of its files, by partition.
     *
     * @param folder may have other files
     * @param names a format of the beginnings of the files' names, which gets the number of the partition
     * @param generation see {@link FolderNote#newGeneration}
     * @throws UserError if the platform has another committer write them
     */
    public static List<String> save(
            SparkSession session, DataFrameWriter<?> table, String folder, String names, String generation) {
        try {
            table.option(NAMES, names)
                    .option(GENERATION, generation)
                    .mode(SaveMode.Append)
                    .save(folder);
            List<String> files = COMMITTED.get(generation);
            if (files == null) {
                throw UserError.of(
                        "%s: another committer than this program's wrote the files: %s is %s, expected %s; take the platform's"
                                + " committer out by that key, or choose an --output on HDFS or a local disk",
                        folder, KEY, session.conf().get(KEY, "not set"), FilesInPlace.class.getName());
            }
            return files;
        } finally {
            COMMITTED.remove(generation);
        }
    }

    private static String option(JobContext job, String key) {
        return Objects.requireNonNull(job.getConfiguration().get(key), key);
    }

    @Override
    public void setupJob(JobContext job) {}

    /** Spark for Scala 2.12 calls this one. */
    @SuppressWarnings("MissingOverride") // it overrides nothing in Spark for Scala 2.13
    public void commitJob(JobContext job, scala.collection.Seq<TaskCommitMessage> tasks) {
        commit(job, tasks.iterator());
    }

    /** Spark for Scala 2.13 calls this one. */
    @SuppressWarnings("MissingOverride") // it overrides nothing in Spark for Scala 2.12
    public void commitJob(JobContext job, scala.collection.immutable.Seq<TaskCommitMessage> tasks) {
        commit(job, tasks.iterator());
    }

    private static void commit(JobContext job, scala.collection.Iterator<TaskCommitMessage> tasks) {
        List<String> files = new ArrayList<>();
        while (tasks.hasNext()) {
            for (Object name : (List<?>) tasks.next().obj()) {
                files.add((String) name);
            }
        }
        COMMITTED.put(option(job, GENERATION), files);
    }

    @Override
    public void abortJob(JobContext job) {} // the caller of save deletes the generation

    @Override
    public void setupTask(TaskAttemptContext task) {
        written = new ArrayList<>();
    }

    @Override
    public String newTaskTempFile(TaskAttemptContext task, Option<String> directory, FileNameSpec name) {
        return newTaskTempFile(task, directory, name.suffix());
    }

    @Override
    @SuppressWarnings("deprecation") // in Spark 3.5 it is abstract nevertheless
    public String newTaskTempFile(TaskAttemptContext task, Option<String> directory, String ending) {
        TaskAttemptID attempt = task.getTaskAttemptID();
        String start = String.format(
                Locale.ROOT, option(task, NAMES), attempt.getTaskID().getId());
        String name = start + "-" + option(task, GENERATION) + "-" + attempt.getId() + ending;
        written.add(name);
        return new Path(folder, name).toString();
    }

    @Override
    @SuppressWarnings("deprecation") // in Spark 3.5 it is abstract nevertheless
    public String newTaskTempFileAbsPath(TaskAttemptContext task, String directory, String ending) {
        throw new UnsupportedOperationException("tables in one folder only");
    }

    @Override
    public TaskCommitMessage commitTask(TaskAttemptContext task) {
        return new TaskCommitMessage(new ArrayList<>(written));
    }

    @Override
    public void abortTask(TaskAttemptContext task) {
        for (String name : written) {
            Path file = new Path(folder, name);
            try {
                file.getFileSystem(task.getConfiguration()).delete(file, false);
            } catch (IOException e) {
                // No table has the file; it is deleted with the generation, or by the next driver.
            }
        }
    }
}

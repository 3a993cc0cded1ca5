package dev.grft.cli;

import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerApplicationEnd;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;

/**
 * Tells on standard error, when the application ends, by which resource profiles stages ran (0 is Spark's default), by the first word of what
 * the job is for: a listener for {@code spark.extraListeners}.
 */
public final class Profiles extends SparkListener {
    private final Map<String, TreeSet<Integer>> profiles = new TreeMap<>();

    @Override
    public void onStageSubmitted(SparkListenerStageSubmitted stage) {
        String what = String.valueOf(stage.properties().getProperty("spark.job.description"));
        profiles.computeIfAbsent(what.replaceAll("\\W.*", ""), word -> new TreeSet<>())
                .add(stage.stageInfo().resourceProfileId());
    }

    @Override
    public void onApplicationEnd(SparkListenerApplicationEnd end) {
        profiles.forEach((what, ids) -> System.err.println("PROFILES " + what + " " + ids));
    }
}

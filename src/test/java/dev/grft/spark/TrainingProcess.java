package dev.grft.spark;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.bench.Setup;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.config.Settings;
import dev.grft.data.Example;
import dev.grft.train.Learner;
import dev.grft.train.LearnerState;
import dev.grft.train.Network;
import dev.grft.train.StepGradient;
import dev.grft.tuning.SliceTuning;
import dev.grft.vit.VitConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.SparkSession;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;

/**
 * A training application in local mode over images of noise, for the benchmark. Prints {@code first} after its first step, at
 * the end a line of JSON: the milliseconds of each later round, of the round beyond the computation of its tasks and of the
 * driver's update; the resident memory in MiB, after a fifth of the rounds and at the end.
 */
public final class TrainingProcess {
    private static final int CLASSES = 100;

    private TrainingProcess() {}

    /** Arguments: folder of the checkpoint, tasks, BLAS threads of each, rows of each matrix, examples of each shard, rounds, shards. */
    public static void main(String... arguments) throws IOException {
        int tasks = Integer.parseInt(arguments[1]);
        int threads = Integer.parseInt(arguments[2]);
        int rows = Integer.parseInt(arguments[3]);
        int shards = Integer.parseInt(arguments[6]);
        int batch = shards * Integer.parseInt(arguments[4]);
        int rounds = Integer.parseInt(arguments[5]);

        Tasks ran = new Tasks();
        Map<String, Object> told = new LinkedHashMap<>();
        List<Double> round = new ArrayList<>();
        List<Double> update = new ArrayList<>();
        SparkSession spark = Tiny.spark("local[" + tasks + "]");
        try {
            JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
            spark.sparkContext().addSparkListener(ran);
            Checkpoint checkpoint = Checkpoint.load(context.hadoopConfiguration(), arguments[0], 0);
            VitConfig config = checkpoint.config().withClasses(CLASSES);
            ModelBroadcast model = ModelBroadcast.of(context, config, checkpoint.tensors());
            SliceTuning tuning = new SliceTuning(Setup.selection(config, rows));
            float[] start = new float[tuning.layout(config).size()];
            told.put("trained", start.length);
            Settings settings = Setup.settings();
            MultiLayerConfiguration configuration = Network.configuration(
                    tuning.layout(config),
                    settings.training(),
                    settings.penalty().toPenalty(),
                    config.depth(),
                    1_000_000,
                    1000);
            JavaRDD<Example> examples = context.parallelize(
                            IntStream.range(0, 4 * batch).boxed().toList(), shards)
                    .map(id -> Setup.example(config, id)); // made by the tasks, as photos are read by them
            Rounds source = new Rounds(
                    context,
                    Tiny.shards(examples),
                    new Sampler(
                            Setup.preprocess(config), settings.augmentation().toAugment(1), 1, batch, shards),
                    new Replicas.Recipe(
                            model, tuning, configuration, true, new Replicas.Device("cpu", threads, false)));
            Learner learner = new Learner(configuration, LearnerState.start(start));
            for (int i = 0; i <= rounds; i++) {
                long began = System.nanoTime();
                StepGradient gradient = source.gradient(learner.step(), learner.trained());
                long summed = System.nanoTime();
                learner.apply(gradient, 0);
                if (i == 0) {
                    System.out.println("first");
                } else {
                    round.add((summed - began) / 1e6);
                    update.add((System.nanoTime() - summed) / 1e6);
                }
                if (i == rounds / 5) {
                    told.put("early", status("VmRSS"));
                }
            }
            told.put("resident", status("VmRSS"));
            told.put("most", status("VmHWM"));
        } finally {
            spark.stop(); // the listener hears of every task first
        }
        List<Double> computation = ran.milliseconds(tasks);
        computation = computation.subList(computation.size() - rounds, computation.size());
        List<Double> share = new ArrayList<>();
        for (int i = 0; i < rounds; i++) {
            share.add(round.get(i) - computation.get(i));
        }
        told.put("round", round);
        told.put("update", update);
        told.put("share", share);
        System.out.println(new ObjectMapper().writeValueAsString(told));
    }

    /** Keeps the run times of the tasks of each stage; a round is one stage. */
    private static final class Tasks extends SparkListener {
        private final SortedMap<Integer, List<Long>> byStage = new TreeMap<>();

        @Override
        public synchronized void onTaskEnd(SparkListenerTaskEnd end) {
            byStage.computeIfAbsent(end.stageId(), stage -> new ArrayList<>())
                    .add(end.taskMetrics().executorRunTime());
        }

        /** Returns how long each stage computes: its slowest task, or the time of all divided by those at a time. */
        synchronized List<Double> milliseconds(int atOnce) {
            return byStage.values().stream()
                    .map(times -> Math.max(
                            Collections.max(times),
                            times.stream().mapToLong(Long::longValue).sum() / (double) atOnce))
                    .toList();
        }
    }

    /** Returns a number of this process's status, KiB in the file, as MiB. */
    private static double status(String key) throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith(key + ":")) {
                return Double.parseDouble(line.replaceAll("\\D", "")) / 1024;
            }
        }
        throw new IOException("/proc/self/status has no " + key);
    }
}

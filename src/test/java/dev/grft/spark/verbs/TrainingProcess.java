package dev.grft.spark.verbs;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.ProcessStatus;
import dev.grft.bench.Setup;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Example;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.images.ExampleShards;
import dev.grft.spark.images.Shard;
import dev.grft.spark.run.Session;
import dev.grft.spark.work.Balance;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.spark.work.Replicas;
import dev.grft.spark.work.Rounds;
import dev.grft.spark.work.Sampler;
import dev.grft.spark.work.StandingRounds;
import dev.grft.train.Learner;
import dev.grft.train.LearnerState;
import dev.grft.train.Network;
import dev.grft.train.StepGradient;
import dev.grft.tuning.SliceTuning;
import dev.grft.vit.VitConfig;
import dev.grft.vit.kernels.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.SparkSession;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;

/**
 * A training application over images of noise, for the benchmark. Prints {@code first} after its first step, at
 * the end a line of JSON: the milliseconds of each later round, of the round beyond the computation of its tasks and of the
 * driver's update; of a round of standing tasks beyond the median of that computation; the resident memory of an executor in MiB, after a fifth of the rounds and at the end. In local mode the
 * executor is the whole process.
 */
public final class TrainingProcess {
    private static final int CLASSES = 100;
    private static final String MEMORY = "memory";
    private static final int BLOCKS = 10;

    private TrainingProcess() {}

    /**
     * Arguments: folder of the checkpoint, master, BLAS threads of each task, rows of each matrix, examples of each shard, rounds,
     * shards, engine.precision.
     */
    public static void main(String... arguments) throws IOException {
        int threads = Integer.parseInt(arguments[2]);
        int rows = Integer.parseInt(arguments[3]);
        int shards = Integer.parseInt(arguments[6]);
        int batch = shards * Integer.parseInt(arguments[4]);
        int rounds = Integer.parseInt(arguments[5]);

        Backend.load(); // as an application does
        Tasks ran = new Tasks();
        Map<String, Object> told = new LinkedHashMap<>();
        List<Double> round = new ArrayList<>();
        List<Double> update = new ArrayList<>();
        List<Double> stood = new ArrayList<>();
        SparkSession.Builder session = SparkSession.builder().config(Session.configuration());
        if (arguments[1].startsWith("local-cluster")) { // whose third number is the memory of a worker
            session.config("spark.executor.memory", arguments[1].replaceFirst(".*,(\\d+)]", "$1m"));
        }
        SparkSession spark = session.config("spark.executor.extraClassPath", System.getProperty("java.class.path"))
                .config("spark.ui.enabled", "false")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .master(arguments[1])
                .getOrCreate();
        int tasks = atOnce(arguments[1]);
        try {
            JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
            spark.sparkContext().addSparkListener(ran);
            Checkpoint checkpoint = Checkpoint.load(context.hadoopConfiguration(), arguments[0], 0);
            VitConfig config = checkpoint.config().withClasses(CLASSES);
            ModelBroadcast model = ModelBroadcast.of(context, config, checkpoint.tensors());
            SliceTuning tuning = new SliceTuning(Setup.selection(config, rows));
            float[] start = new float[tuning.layout(config).size()];
            told.put("trained", start.length);
            Settings settings = Config.with(
                    Setup.settings(),
                    "test",
                    Map.of(
                            "training.batchSize", batch,
                            "training.shards", shards,
                            "engine.kernels", "cpu",
                            "engine.blasThreads", threads,
                            "engine.precision", arguments[7]));
            MultiLayerConfiguration configuration = Network.configuration(
                    tuning.layout(config),
                    settings.training(),
                    settings.penalty().toPenalty(),
                    1_000_000,
                    1000);
            JavaRDD<Example> examples = context.parallelize(
                            IntStream.range(0, 4 * batch).boxed().toList(), shards)
                    .map(id -> Setup.example(config, id)); // made by the tasks, as photos are read by them
            JavaRDD<Shard> images = ExampleShards.of(examples);
            Sampler sampler = new Sampler(
                    Setup.preprocess(config),
                    settings.augmentation().toAugment(1),
                    Balance.NONE,
                    settings.training(),
                    1,
                    0);
            Replicas.Recipe recipe = new Replicas.Recipe(
                    context, model, tuning, configuration, true, Device.of(context, settings.engine()));
            Rounds source = new Rounds(context, images, sampler, recipe, rounds);
            Learner learner = new Learner(configuration, LearnerState.start(start));
            int block = Math.max(1, rounds / BLOCKS); // in turn, so that the machine is the same for both
            try (StandingRounds standing = new StandingRounds(context, images, sampler, recipe, rounds)) {
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
                        told.put("early", status(context, tasks, "VmRSS"));
                    }
                    for (int k = 0; i % block == 0 && k <= block; k++) {
                        long asked = System.nanoTime();
                        StepGradient stayed = standing.gradient(learner.step(), learner.trained());
                        if (k > 0) { // the first begins a job
                            stood.add((System.nanoTime() - asked) / 1e6);
                        }
                        learner.apply(stayed, 0);
                    }
                    standing.rest();
                }
            }
            told.put("resident", status(context, tasks, "VmRSS"));
            told.put("most", status(context, tasks, "VmHWM"));
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
        double computing = computation.stream().sorted().toList().get(rounds / 2);
        told.put("standing", stood.stream().map(each -> each - computing).toList());
        System.out.println(new ObjectMapper().writeValueAsString(told));
    }

    /** Keeps the run times of the tasks of each stage but those that look at the memory, and of standing tasks; a round is one stage. */
    private static final class Tasks extends SparkListener {
        private final SortedMap<Integer, List<Long>> byStage = new TreeMap<>();
        private final Set<Integer> others = new HashSet<>();

        @Override
        public synchronized void onStageSubmitted(SparkListenerStageSubmitted submitted) {
            String what = String.valueOf(submitted.properties().getProperty("spark.job.description"));
            if (what.equals(MEMORY) || what.startsWith("steps from ") || what.startsWith("shards of ")) {
                others.add(submitted.stageInfo().stageId());
            }
        }

        @Override
        public synchronized void onTaskEnd(SparkListenerTaskEnd end) {
            if (!others.contains(end.stageId())) {
                byStage.computeIfAbsent(end.stageId(), stage -> new ArrayList<>())
                        .add(end.taskMetrics().executorRunTime());
            }
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

    /** Returns a number of an executor's status, the largest if there are several. */
    private static double status(JavaSparkContext context, int tasks, String key) {
        context.setJobDescription(MEMORY);
        double most = Collections.max(context.parallelize(Collections.nCopies(tasks, key), tasks)
                .map(TrainingProcess::status)
                .collect());
        context.setJobDescription(null);
        return most;
    }

    /** Returns how many tasks run at a time: {@code local[N]}, or {@code local-cluster[EXECUTORS,TASKS,MEMORY]}. */
    private static int atOnce(String master) {
        int[] numbers = Pattern.compile("\\d+")
                .matcher(master)
                .results()
                .mapToInt(number -> Integer.parseInt(number.group()))
                .toArray();
        return numbers.length == 1 ? numbers[0] : numbers[0] * numbers[1];
    }

    /** Returns a number of this process's status, KiB in the file, as MiB. */
    private static double status(String key) throws IOException {
        return ProcessStatus.bytes(key) / (double) (1 << 20);
    }
}

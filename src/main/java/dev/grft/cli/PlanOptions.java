package dev.grft.cli;

import dev.grft.config.Settings;
import dev.grft.cost.Wish;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What the costs of a training are predicted for. */
final class PlanOptions {
    @Option(names = "--plan", required = true, description = "Predict the cost of training, by number of executors.")
    @SuppressWarnings("unused") // picocli looks at it
    private boolean plan;

    @Option(
            names = "--executors",
            split = ",",
            paramLabel = "N",
            description = "Numbers of executors; ${DEFAULT-VALUE}.",
            defaultValue = "1,2,4,8,16,32,64")
    private List<Integer> executors = new ArrayList<>();

    @Option(
            names = "--tasks",
            paramLabel = "N",
            description = "Tasks of an executor at a time; 2 on CPUs. With --tflops they share a GPU; if not given,"
                    + " spark.task.resource.gpu.amount is not set, one task computes and all cores decode.")
    private @Nullable Integer tasks;

    @Option(
            names = "--gflops",
            paramLabel = "X",
            description = "10^9 operations a second of one task's large products on CPUs; measured here if not given.")
    private @Nullable Double gflops;

    @Option(
            names = "--tflops",
            paramLabel = "X",
            description =
                    "Plan for executors with one GPU each: 10^12 operations a second that its large products reach. It has to be given.")
    private @Nullable Double tflops;

    @Option(
            names = "--cores",
            paramLabel = "N",
            description =
                    "Cores of an executor, which decode and prepare images; on CPUs as many as the tasks compute on, on a GPU as many as tasks.")
    private @Nullable Integer cores;

    @Option(
            names = "--decode",
            paramLabel = "X",
            description = "Images a second that a core decodes and resizes; measured here if not given.")
    private @Nullable Double decode;

    @Option(
            names = "--prepare",
            paramLabel = "X",
            description =
                    "Prepared images a second that a core augments and normalizes for a step, without reading them; measured here if not given.")
    private @Nullable Double prepare;

    @Option(
            names = "--photo",
            paramLabel = "PHOTO",
            description =
                    "A photo to measure these with, or a size in pixels, of which some are drawn; ${DEFAULT-VALUE}.",
            defaultValue = "500x375")
    private String photo = "";

    @Option(
            names = "--round",
            paramLabel = "MS",
            description =
                    "Milliseconds of a round beside computing, images and the network. If not given, the driver's update is"
                            + " measured here, and the rest is that of a cluster on one machine.")
    private @Nullable Double round;

    @Option(
            names = "--images",
            paramLabel = "N",
            description = "Training images: the plan then has the hours of each phase.")
    private @Nullable Long images;

    @Option(
            names = "--gigabits",
            paramLabel = "X",
            description = "10^9 bits a second of each machine's network; ${DEFAULT-VALUE}.",
            defaultValue = "10")
    private double gigabits;

    @Option(
            names = "--classes",
            paramLabel = "N",
            description = "Classes of the head; ${DEFAULT-VALUE}.",
            defaultValue = "100")
    private int classes;

    /** Returns what is planned for. */
    Wish wish(String model, Settings settings) {
        return new Wish(
                model, settings, classes, executors, tasks, gflops, tflops, cores, gigabits, decode, prepare, round,
                images, photo);
    }
}

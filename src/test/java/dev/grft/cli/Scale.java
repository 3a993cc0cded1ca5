package dev.grft.cli;

import dev.grft.spark.verbs.Tiny;
import dev.grft.vit.Activation;
import dev.grft.vit.Pooling;
import dev.grft.vit.Variant;
import dev.grft.vit.VitConfig;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/**
 * Runs verbs at the size of real work, each as a process of its own, and prints what they took beside the limit they have to
 * keep: see {@code jobs/scale.sh}. Ends with 1 if one fails or is beyond its limit.
 */
public final class Scale {
    private static final long MIB = 1 << 20;
    private static final String JCMD = System.getProperty("java.home") + "/bin/jcmd";

    /** Looks at a process between two collections of its garbage. */
    private static final int COLLECTING = 60;

    private static final VitConfig DINO = VitConfig.preset("vit_base_patch14_518", 0);
    private static final Variant LAYER_SCALE =
            new Variant(true, 0, 1, false, true, Activation.GELU, Pooling.CLASS_TOKEN);

    private final Path folder;
    private final Map<String, Integer> sizes;
    private boolean failed;
    private boolean collecting;

    private Scale(Path folder, Map<String, Integer> sizes) {
        this.folder = folder;
        this.sizes = sizes;
    }

    /** Arguments: a folder for everything, the parts as a comma-separated list, then sizes, each NAME=NUMBER. */
    public static void main(String... arguments) throws Exception {
        Map<String, Integer> sizes = new LinkedHashMap<>(Map.of("classes", 21_843, "images", 200_000, "steps", 20_000));
        for (String size : List.of(arguments).subList(2, arguments.length)) {
            int equals = size.indexOf('=');
            sizes.put(size.substring(0, equals), Integer.valueOf(size.substring(equals + 1)));
        }
        Scale scale = new Scale(Files.createDirectories(Path.of(arguments[0])), sizes);
        System.out.printf(
                "%-34s %9s %9s %9s %9s  %s%n", "", "seconds", "resident", "disk", "handles", "MiB, each a peak; limit");
        for (String part : List.of(arguments[1].split(",", -1))) {
            scale.run(part);
        }
        System.exit(scale.failed ? 1 : 0);
    }

    private void run(String part) throws Exception {
        switch (part) {
            case "models" -> models();
            case "classes" -> classes();
            case "images" -> images();
            case "slots" -> slots();
            case "steps" -> steps();
            case "fits" -> fits();
            default ->
                throw new IllegalArgumentException(
                        "there is no part " + part + ", only models, classes, images, slots, steps and fits");
        }
    }

    /** Full training of a ViT-B/16 on defaults, slices of a ViT-L/16, and a ViT-B/14 at 518 pixels. */
    private void models() throws Exception {
        Path images = photos("photos", 4, 4, 64);
        Path base = model("vit-b16", VitConfig.preset("vit_base_patch16_224", 0));
        List<String> full = sets("vit-b16-full", base, images, "tuning.method=full", "training.maxSteps=2");
        measured("ViT-B/16 full, 2 steps", "3g", 0, "train", full);

        Path large = model("vit-l16", VitConfig.preset("vit_large_patch16_224", 0));
        List<String> slices = sets(
                "vit-l16",
                large,
                images,
                "training.maxSteps=2",
                "training.batchSize=8",
                "engine.recompute=true",
                "selection.batchSize=4");
        measured("ViT-L/16 select", "3g", 6 * 1024, "select", slices);
        measured("ViT-L/16 slices, 2 steps of 8", "3g", 6 * 1024, "train", slices);

        VitConfig scaled = new VitConfig(
                DINO.imageSize(),
                DINO.patchSize(),
                DINO.width(),
                DINO.depth(),
                DINO.heads(),
                DINO.mlpWidth(),
                0,
                1e-6,
                LAYER_SCALE);
        Path dino = model("vit-b14-518", scaled);
        List<String> long518 =
                sets("vit-b14-518", dino, images, "training.maxSteps=2", "training.batchSize=8", "data.test=" + images);
        measured("ViT-B/14 518 px select", "3g", 0, "select", long518);
        measured("ViT-B/14 518 px slices, 2 steps", "3g", 0, "train", long518);
        measured("ViT-B/14 518 px evaluate", "3g", 0, "evaluate", long518);
    }

    /** A head of as many classes as ImageNet-21k has, from the first verb to the last. */
    private void classes() throws Exception {
        int classes = sizes.get("classes");
        Path model = model("vit-of-classes", new VitConfig(32, 8, 192, 2, 3, 768, 0, 1e-6));
        Path images = photos("classes-" + classes, classes, 2, 32);
        List<String> sets =
                sets("classes", model, images, "training.epochs=1", "probe.epochs=5", "data.test=" + images);
        measured(classes + " classes: run", "3g", 0, "run", sets);
        measured(
                classes + " classes: predict",
                "3g",
                0,
                "predict",
                sets,
                "--images",
                images.toString(),
                "--output",
                folder.resolve("runs/classes/predictions.csv").toString());
    }

    /**
     * Many images: the disk of the verbs, and how often each file is opened. A file of noise is as large as its pixels; JPEG files may
     * be much smaller, and executors keep pixels of the images that are trained on.
     */
    private void images() throws Exception {
        int count = sizes.get("images");
        Path model = model("vit-of-images", new VitConfig(32, 8, 64, 2, 2, 256, 0, 1e-6));
        Path images = photos("images-" + count, 100, count / 100, 32);
        double input = bytes(images) / (double) MIB;
        System.out.printf("%d images, %.0f MiB%n", count, input);
        List<String> sets = sets("images", model, images, "training.epochs=1", "data.test=" + images);
        for (String verb : List.of("select", "train", "evaluate")) {
            Measured verbs = measured(count + " images: " + verb, "1500m", 0, verb, sets);
            judge(verbs, input, count);
        }
        Measured predict = measured(
                count + " images: predict",
                "1500m",
                0,
                "predict",
                sets,
                "--images",
                images.toString(),
                "--output",
                folder.resolve("runs/images/predictions").toString());
        judge(predict, input, count);
    }

    private void judge(Measured measured, double input, int count) {
        System.out.printf(
                Locale.ROOT,
                "    %.0f images a second; disk %.2f of the images; each opened %.2f times%n",
                count / measured.seconds,
                measured.disk / input,
                measured.opened / (double) count);
        if (measured.disk > 2 * input) {
            failed("disk is more than twice that of the images");
        }
    }

    /** As many tasks at once as 64 executors have, and the bits of two. */
    private void slots() throws Exception {
        Path model = model("vit-of-slots", Tiny.CONFIG);
        Path images = photos("slots", 4, 256, 16);
        for (int slots : new int[] {2, 64}) {
            List<String> sets = sets(
                    "slots-" + slots,
                    model,
                    images,
                    "training.shards=64",
                    "training.batchSize=128",
                    "training.epochs=5",
                    "data.test=" + images);
            measured(
                    "64 shards, " + slots + " slots: run", "1500m", 0, "run", sets, "--master", "local[" + slots + "]");
        }
        Path two = folder.resolve("runs/slots-2/delta.safetensors");
        if (!Tiny.tensors(two).equals(Tiny.tensors(folder.resolve("runs/slots-64/delta.safetensors")))) {
            failed("64 slots have other bits than 2");
        }
    }

    /** Ten hours in small: what a process holds after many steps is what it held after a tenth of them. */
    private void steps() throws Exception {
        int steps = sizes.get("steps");
        Path model = model("vit-of-steps", Tiny.CONFIG);
        Path images = photos("steps", 2, 8, 8);
        List<String> sets = sets(
                "steps",
                model,
                images,
                "training.shards=2",
                "training.batchSize=16",
                "training.epochs=" + steps,
                "training.checkpointEvery=500");
        collecting = true; // else a heap that fills up looks as if something grew
        Measured measured = measured(steps + " steps: train", "1g", 0, "train", sets);
        collecting = false;
        Sample early = measured.held(0.1, 0.2);
        Sample late = measured.held(0.9, 1);
        System.out.printf("    after a fifth %s%n    at the end    %s%n", early, late);
        if (late.resident > early.resident + 150
                || late.threads > early.threads + 10
                || late.handles > early.handles + 20
                || late.disk > early.disk + 50) {
            failed("a long training grows");
        }
    }

    /** Trainings of data frames in one session: two at once, and one after the other. */
    private void fits() throws Exception {
        Path model = model("vit-of-fits", new VitConfig(32, 8, 192, 4, 3, 768, 0, 1e-6));
        Path images = photos("fits", 4, 50, 32);
        Path log = folder.resolve("fits.log");
        long began = System.nanoTime();
        Process process = new ProcessBuilder(Fits.command(model, images, "1g"))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        Measured measured = watched(process, began);
        report("10 fits and 2 at once", measured, 0);
        Files.readAllLines(log).stream()
                .filter(line -> line.startsWith("fits "))
                .forEach(line -> System.out.println("    " + line));
        if (measured.exit != 0) {
            failed("see " + log);
        }
    }

    private Path model(String name, VitConfig config) throws IOException {
        Path model = folder.resolve("models").resolve(name);
        return Files.exists(model.resolve("config.json")) ? model : Tiny.pretrained(model, config, 1);
    }

    /** Makes folders of PNG files of noise, each class of another color, unless they are there. */
    private Path photos(String name, int classes, int ofEach, int side) throws IOException {
        Path images = folder.resolve("images").resolve(name);
        Path done = folder.resolve("images").resolve(name + ".done");
        if (Files.exists(done)) {
            return images;
        }
        SplittableRandom random = new SplittableRandom(classes);
        BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_INT_RGB);
        ImageIO.setUseCache(false);
        for (int k = 0; k < classes; k++) {
            Path ofClass = Files.createDirectories(images.resolve(String.format(Locale.ROOT, "class-%05d", k)));
            int color = random.nextInt(0x7f7f7f) & 0x7f7f7f;
            for (int i = 0; i < ofEach; i++) {
                for (int p = 0; p < side * side; p++) {
                    image.setRGB(p % side, p / side, color + (random.nextInt() & 0x7f7f7f));
                }
                ImageIO.write(image, "png", ofClass.resolve(i + ".png").toFile());
            }
        }
        Files.createFile(done);
        return images;
    }

    private List<String> sets(String run, Path model, Path images, String... more) throws IOException {
        Path directory = folder.resolve("runs").resolve(run);
        delete(directory);
        List<String> sets = new ArrayList<>(
                List.of("run.directory=" + directory, "model.pretrained=" + model, "data.train=" + images));
        sets.addAll(Arrays.asList(more));
        return sets;
    }

    /** What a process held at one time: MiB, threads, file handles, MiB of disk. */
    private record Sample(long resident, int threads, int handles, double disk) {
        @Override
        public String toString() {
            return String.format(
                    Locale.ROOT, "%d MiB, %d threads, %d handles, %.1f MiB of disk", resident, threads, handles, disk);
        }
    }

    /** What a process took: its exit code, seconds, and peaks in MiB. */
    private static final class Measured {
        final List<Sample> samples = new ArrayList<>();
        int exit;
        double seconds;
        long resident;
        double disk;
        int handles;
        long opened;

        /**
         * Returns what the process held in a part of its time, given as fractions: the least memory, which is that after a collection of
         * garbage, and the most of the others.
         */
        Sample held(double from, double to) {
            List<Sample> part = samples.subList((int) (from * samples.size()), (int) Math.ceil(to * samples.size()));
            return new Sample(
                    part.stream().mapToLong(Sample::resident).min().orElse(0),
                    part.stream().mapToInt(Sample::threads).max().orElse(0),
                    part.stream().mapToInt(Sample::handles).max().orElse(0),
                    part.stream().mapToDouble(Sample::disk).max().orElse(0));
        }
    }

    private Measured measured(String what, String heap, int limit, String verb, List<String> sets, String... options)
            throws Exception {
        delete(local());
        Files.createDirectories(local());
        Path counts = folder.resolve("opened.txt");
        Files.deleteIfExists(counts);
        List<String> all = new ArrayList<>(List.of(
                "--driver-memory", heap,
                "--conf", "spark.local.dir=" + local(),
                "--conf", "spark.eventLog.enabled=false",
                "--conf", "spark.driver.extraClassPath=" + Submitted.classes(),
                "--conf", "spark.hadoop.fs.file.impl=" + CountedFiles.class.getName()));
        all.addAll(Arrays.asList(options));
        Path log = folder.resolve(what.replaceAll("[^A-Za-z0-9]+", "-") + ".log");
        Files.deleteIfExists(log);
        long began = System.nanoTime();
        Process process = Submitted.verb(verb, log, all, sets, Map.of(CountedFiles.VARIABLE, counts.toString()));
        Measured measured = watched(process, began);
        measured.opened =
                Files.exists(counts) ? Long.parseLong(Files.readString(counts).strip()) : 0;
        report(what, measured, limit);
        if (measured.exit != 0) {
            failed("ended with " + measured.exit + ", see " + log);
        }
        return measured;
    }

    private void report(String what, Measured measured, int limit) {
        System.out.printf(
                Locale.ROOT,
                "%-34s %9.0f %9d %9.0f %9d  %s%n",
                what,
                measured.seconds,
                measured.resident,
                measured.disk,
                measured.handles,
                limit == 0 ? "" : limit);
        if (limit > 0 && measured.resident > limit) {
            failed("more than " + limit + " MiB");
        }
    }

    private void failed(String why) {
        System.out.println("    FAILED: " + why);
        failed = true;
    }

    private Path local() {
        return folder.resolve("local");
    }

    /** Looks at a process twice a second until it ends. */
    private Measured watched(Process process, long began) throws Exception {
        Measured measured = new Measured();
        try {
            while (!process.waitFor(500, java.util.concurrent.TimeUnit.MILLISECONDS)) {
                Path of = Path.of("/proc", Long.toString(process.pid()));
                Map<String, Long> status = status(of);
                int handles = count(of.resolve("fd"));
                double disk = bytes(local()) / (double) MIB;
                if (collecting && measured.samples.size() % COLLECTING == COLLECTING - 1) {
                    new ProcessBuilder(JCMD, Long.toString(process.pid()), "GC.run")
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor();
                }
                measured.resident = Math.max(measured.resident, status.getOrDefault("VmHWM", 0L));
                measured.disk = Math.max(measured.disk, disk);
                measured.handles = Math.max(measured.handles, handles);
                measured.samples.add(new Sample(
                        status.getOrDefault("VmRSS", 0L),
                        status.getOrDefault("Threads", 0L).intValue(),
                        handles,
                        disk));
            }
        } finally {
            process.destroyForcibly();
        }
        measured.exit = process.exitValue();
        measured.seconds = (System.nanoTime() - began) / 1e9;
        return measured;
    }

    /** Returns the fields of a process's status, memory in MiB; none once it has ended. */
    private static Map<String, Long> status(Path process) {
        Map<String, Long> fields = new LinkedHashMap<>();
        try {
            for (String line : Files.readAllLines(process.resolve("status"))) {
                if (line.matches("(VmHWM|VmRSS|Threads):.*")) {
                    long number = Long.parseLong(line.replaceAll("\\D", ""));
                    fields.put(line.substring(0, line.indexOf(':')), line.endsWith("kB") ? number / 1024 : number);
                }
            }
        } catch (IOException e) {
            return Map.of();
        }
        return fields;
    }

    private static int count(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return (int) files.count();
        } catch (IOException | UncheckedIOException e) {
            return 0;
        }
    }

    /** Returns the bytes of the files in a folder, as far as they do not vanish meanwhile. */
    private static long bytes(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.mapToLong(
                            file -> Files.isRegularFile(file) ? file.toFile().length() : 0)
                    .sum();
        } catch (IOException | UncheckedIOException e) {
            return 0;
        }
    }

    private static void delete(Path folder) throws IOException {
        if (Files.exists(folder)) {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path file :
                        files.sorted(java.util.Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }
}

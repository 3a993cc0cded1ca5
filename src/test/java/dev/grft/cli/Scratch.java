package dev.grft.cli;

import dev.grft.spark.verbs.Tiny;
import dev.grft.vit.VitConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** A folder in which every path that the documentation names is there: as a copy of this project, with images and models so small that it is quick. */
final class Scratch {
    /** What is less in the copies of settings: the epochs, and what a comparison has several of. */
    private static final Map<String, String> LESS = Map.of(
            "pochs: \\d+", "pochs: 1",
            "seeds: \\[1, 2, 3]", "seeds: [1]",
            "budgets: \\[1, 3, 11]", "budgets: [1]");

    private static final String MY_YAML = """
            model: {pretrained: /models/vit-b16}
            data: {train: /photos/train, validation: /photos/validation, test: /photos/test}
            probe: {epochs: 1}
            training: {epochs: 1, batchSize: 9, shards: 1}
            """;

    /** Wide enough that 0.3 % of its numbers are a slice. */
    private static final VitConfig MODEL = new VitConfig(8, 4, 32, 2, 2, 64, 0, 1e-6);

    private final Path folder;

    private Scratch(Path folder) {
        this.folder = folder;
    }

    /** Makes everything that needs no Spark. */
    static Scratch in(Path folder) throws IOException {
        Scratch scratch = new Scratch(folder);
        scratch.project();
        scratch.models();
        scratch.images();
        Files.writeString(folder.resolve("my.yaml"), scratch.moved(MY_YAML));
        Files.copy(folder.resolve("my.yaml"), scratch.made("bucket").resolve("my.yaml"));
        scratch.made("etc/hadoop/conf");
        scratch.made("runs/events");
        return scratch;
    }

    /** Returns a text with the places that are outside of the folder moved into it. */
    String moved(String text) {
        return text.replaceAll("(?<=[ =])/(?=(photos|models|opt|etc)\\b)", folder + "/")
                .replaceAll("s3a://bucket/|hdfs:///user/me/", "file://" + folder.resolve("bucket") + "/");
    }

    private Path made(String path) throws IOException {
        return Files.createDirectories(folder.resolve(path));
    }

    private void link(String path, Path to) throws IOException {
        Files.createDirectories(folder.resolve(path).getParent());
        Files.createSymbolicLink(folder.resolve(path), to.toAbsolutePath());
    }

    private void project() throws IOException {
        for (String path : List.of("src", "jobs", "target")) {
            link(path, Path.of(path));
        }
        // As old as it is, so that jobs/submit.sh does not build.
        Files.copy(Path.of("pom.xml"), folder.resolve("pom.xml"), StandardCopyOption.COPY_ATTRIBUTES);
        try (Stream<Path> files = Files.walk(Path.of("conf"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                if (file.toString().endsWith(".yaml")) {
                    String text = Files.readString(file);
                    for (Map.Entry<String, String> less : LESS.entrySet()) {
                        text = text.replaceAll(less.getKey(), less.getValue());
                    }
                    Files.createDirectories(folder.resolve(file).getParent());
                    Files.writeString(folder.resolve(file), text);
                    Files.setLastModifiedTime(folder.resolve(file), Files.getLastModifiedTime(file));
                } else if (file.startsWith("conf/spark")) {
                    link(file.toString(), file);
                }
            }
        }
    }

    private void models() throws IOException {
        Path model = Tiny.pretrained(folder.resolve("models/vit-b16"), MODEL, 1);
        link("models/vit_base_patch16_224.augreg_in21k", model);
        link("conf/demo/vit-demo", model);
    }

    private void images() throws IOException {
        Path photos = made("photos");
        for (String part : List.of("train", "validation", "test", "new")) {
            Tiny.images(photos.resolve(part), 3, part.hashCode());
        }
        for (String set : List.of("images/signs", "images/flowers", "images/fashion", "data/cifar10")) {
            link(set, photos);
        }
        Files.write(folder.resolve("food.csv"), named(photos.resolve("train"), photos, "%1$s,%2$s", "path,dish"));
        String labels = "{\"path\": \"%1$s\", \"labels\": [\"%2$s\"]}";
        Files.write(folder.resolve("scenes.jsonl"), named(photos.resolve("train"), photos, labels));
        Files.write(folder.resolve("faces.csv"), named(photos.resolve("train"), photos, "%1$s,%3$s", "path,age"));
        vtab(made("data/vtab-1k/cifar"));
        fgvc(made("data/fgvc/CUB_200_2011"));
    }

    private static void vtab(Path task) throws IOException {
        for (String list : List.of("train800", "val200", "test")) {
            Path images = Tiny.images(task.resolve("images/" + list), 3, list.hashCode());
            Files.write(task.resolve(list + ".txt"), named(images, task, "%1$s %3$s"));
        }
    }

    private static void fgvc(Path set) throws IOException {
        for (String part : List.of("train", "val", "test")) {
            Path images = Tiny.images(set.resolve("images/" + part), 3, part.hashCode());
            List<String> named = named(images, set.resolve("images"), "\"%1$s\": %3$s");
            Files.writeString(set.resolve(part + ".json"), "{" + String.join(", ", named) + "}");
        }
    }

    /** Returns a line for each image below a folder, of its path below a root, its class and the class's number, after further lines. */
    private static List<String> named(Path images, Path root, String line, String... head) throws IOException {
        List<String> lines = new ArrayList<>(List.of(head));
        List<String> classes = new ArrayList<>();
        try (Stream<Path> files = Files.walk(images)) {
            for (Path image : files.filter(Files::isRegularFile).sorted().toList()) {
                String ofClass = image.getParent().getFileName().toString();
                if (!classes.contains(ofClass)) {
                    classes.add(ofClass);
                }
                lines.add(String.format(line, root.relativize(image), ofClass, classes.indexOf(ofClass)));
            }
        }
        return lines;
    }
}

package dev.grft.bench;

import dev.grft.data.BrokenImage;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.decode.ImageDecoder;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/** Reading photos: JPEGs of 500 x 375 pixels, decoded and resized by one thread, for a network and for random crops. */
final class Photos {
    private static final int WIDTH = 500;
    private static final int HEIGHT = 375;
    private static final int COUNT = 16;

    private Photos() {}

    /** Returns how long one photo takes. */
    static List<Row> rows(Setup setup) {
        try {
            Path folder = Files.createTempDirectory("grft-photos");
            try {
                return rows(setup, folder, write(folder));
            } finally {
                try (Stream<Path> files = Files.list(folder)) {
                    for (Path file : files.toList()) {
                        Files.delete(file);
                    }
                }
                Files.delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Row> rows(Setup setup, Path folder, List<byte[]> photos) {
        Preprocess preprocess = Setup.preprocess(setup.config());
        List<Work> all = new ArrayList<>();
        all.add(reading("decode and resize a photo", photos, preprocess));
        all.add(reading("decode and resize a photo for random crops", photos, preprocess.withSources(4)));
        setup.peer("decode", "--images", folder.toString()).ifPresent(all::add);
        List<Times> times = Work.inTurn(all, setup.warmUpSeconds(), setup.repetitions());
        all.forEach(Work::close);
        double kilobytes = photos.stream().mapToInt(p -> p.length).sum() / 1e3 / COUNT;
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Times ours = times.get(i).each(COUNT);
            Row row = Row.of(all.get(i).name(), ours)
                    .with("per_second", 1000 / ours.median())
                    .with("kilobytes", kilobytes);
            boolean sameWork = i == 0 && all.size() > 2;
            rows.add(sameWork ? row.beside(all.get(2).name(), times.get(2).each(COUNT)) : row);
        }
        return rows;
    }

    private static Work reading(String name, List<byte[]> photos, Preprocess preprocess) {
        ImageDecoder decoder = new ImageDecoder();
        return Work.of(name, () -> {
            for (byte[] photo : photos) {
                try {
                    Pixels image = decoder.decode(photo, "photo");
                    preprocess.prepare(image);
                    preprocess.source(image);
                } catch (BrokenImage e) {
                    throw new IllegalStateException(e);
                }
            }
        });
    }

    /** Writes photos of waves and grain, about as many bytes as a photo has. */
    private static List<byte[]> write(Path folder) throws IOException {
        SplittableRandom random = new SplittableRandom(3);
        List<byte[]> photos = new ArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
            double frequency = 0.01 + 0.2 * random.nextDouble();
            for (int y = 0; y < HEIGHT; y++) {
                for (int x = 0; x < WIDTH; x++) {
                    int rgb = 0;
                    int grain = random.nextInt(60);
                    for (int channel = 0; channel < 3; channel++) {
                        double wave = Math.sin(frequency * x + channel) * Math.cos(frequency * y - channel);
                        rgb = rgb << 8 | (int) (90 + 80 * wave) + grain;
                    }
                    image.setRGB(x, y, rgb);
                }
            }
            Path file = folder.resolve(i + ".jpg");
            ImageIO.write(image, "jpg", file.toFile());
            photos.add(Files.readAllBytes(file));
        }
        return photos;
    }
}

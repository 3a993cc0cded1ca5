package dev.grft.bench;

import dev.grft.data.BrokenImage;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.decode.ImageDecoder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

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

    private static List<byte[]> write(Path folder) throws IOException {
        List<byte[]> photos = dev.grft.cost.Photos.drawn(WIDTH, HEIGHT, COUNT);
        for (int i = 0; i < COUNT; i++) {
            Files.write(folder.resolve(i + ".jpg"), photos.get(i));
        }
        return photos;
    }
}

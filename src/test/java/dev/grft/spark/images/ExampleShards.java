package dev.grft.spark.images;

import dev.grft.data.Example;
import dev.grft.data.Pixels;
import dev.grft.data.Target;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;

/** Shards of examples that come from no files. */
public final class ExampleShards {
    private ExampleShards() {}

    /** Returns examples as the executors keep them. */
    public static JavaRDD<Shard> of(JavaRDD<Example> examples) {
        return new Shards(examples.map(example -> new Decoded(example.id(), new byte[32], example, null, false)))
                .shards();
    }

    /** Returns so many images of 8 by 8 pixels of noise and three classes, dealt to the shards in turn; always the same. */
    public static JavaRDD<Shard> noise(JavaSparkContext context, int shards, int count) {
        List<List<Example>> all = new ArrayList<>();
        for (int shard = 0; shard < shards; shard++) {
            all.add(new ArrayList<>());
        }
        SplittableRandom random = new SplittableRandom(4);
        for (int id = 0; id < count; id++) {
            byte[] rgb = new byte[3 * 64];
            random.nextBytes(rgb);
            Pixels pixels = new Pixels(8, 8, rgb);
            all.get(id % shards).add(new Example(id, Target.ofClass(id % 3), "image " + id, pixels, pixels, 1));
        }
        return of(context.parallelize(all, shards).flatMap(List::iterator));
    }

    /** Returns a shard of examples in a file. */
    public static Shard in(File file, List<Example> examples) {
        return Shard.write(
                file,
                examples.stream()
                        .map(example -> new Decoded(example.id(), new byte[32], example, null, false))
                        .iterator());
    }
}

package dev.grft.spark.images;

import dev.grft.data.Example;
import java.io.File;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;

/** Shards of examples that come from no files. */
public final class ExampleShards {
    private ExampleShards() {}

    /** Returns examples as the executors keep them. */
    public static JavaRDD<Shard> of(JavaRDD<Example> examples) {
        return new Shards(examples.map(example -> new Decoded(example.id(), new byte[32], example, null, false)))
                .shards();
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

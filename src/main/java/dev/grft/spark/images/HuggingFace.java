package dev.grft.spark.images;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.spark.cluster.Causes;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.SerializableConfiguration;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/** What Hugging Face's library {@code datasets} notes in the footer of the Parquet files that it writes. */
final class HuggingFace {
    private static final String KEY = "huggingface";
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private HuggingFace() {}

    /**
     * Returns the names of a column's classes (its {@code ClassLabel}), by number; null if there are none.
     *
     * @param files URIs, one or more, all of which are opened
     * @throws UserError if a file cannot be read, what is noted is damaged, or they name different classes
     */
    static @Nullable ClassNames classes(JavaSparkContext spark, Configuration hadoop, String[] files, String column) {
        SerializableConfiguration configuration = new SerializableConfiguration(hadoop);
        Map<String, List<String>> byFile = new TreeMap<>();
        Causes.unwrapped(spark.parallelize(Arrays.asList(files), Math.min(files.length, spark.defaultParallelism()))
                        .map(file -> new Tuple2<>(file, noted(configuration.value(), file)))::collect)
                .forEach(each -> byFile.put(each._1(), names(each._1(), each._2(), column)));
        String first = byFile.keySet().iterator().next();
        List<String> classes = byFile.get(first);
        byFile.forEach((file, others) -> {
            if (!others.equals(classes)) {
                throw new UserError(file + ": numbers other classes than " + first + "; read them one by one");
            }
        });
        return classes == null || classes.isEmpty() ? null : new ClassNames(classes);
    }

    private static String noted(Configuration hadoop, String file) {
        try (ParquetFileReader reader =
                ParquetFileReader.open(HadoopInputFile.fromPath(new Path(URI.create(file)), hadoop))) {
            return reader.getFileMetaData().getKeyValueMetaData().getOrDefault(KEY, "{}");
        } catch (IOException | RuntimeException e) { // a damaged footer ends in either
            throw new UserError(file + ": cannot be read as Parquet (" + e.getMessage() + ")", e);
        }
    }

    /** Returns the class names in the metadata of a file; none if it has no classes for that column. */
    static List<String> names(String file, String noted, String column) {
        try {
            JsonNode names = MAPPER.readTree(noted)
                    .path("info")
                    .path("features")
                    .path(column)
                    .path("names");
            List<String> classes = new ArrayList<>();
            names.forEach(name -> classes.add(name.asText()));
            return classes;
        } catch (JsonProcessingException e) {
            throw new UserError(
                    file + ": its metadata " + KEY + " is not JSON (" + e.getOriginalMessage()
                            + "); write the file again",
                    e);
        }
    }
}

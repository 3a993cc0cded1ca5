package dev.grft.spark.tables;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Failures;
import dev.grft.data.ClassNames;
import dev.grft.data.LabelForm;
import dev.grft.data.Sha256;
import dev.grft.spark.cluster.Causes;
import java.io.IOException;
import java.io.Serializable;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.metadata.ColumnChunkMetaData;
import org.apache.parquet.hadoop.metadata.ParquetMetadata;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.parquet.schema.MessageType;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.SerializableConfiguration;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/** What Hugging Face's library {@code datasets} notes in the footer of the Parquet files that it writes. */
public final class HuggingFace {
    private static final String KEY = "huggingface";
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private HuggingFace() {}

    /**
     * Returns the names of a column's classes (its {@code ClassLabel}, or the one of its list), by number; null if there are none.
     *
     * @param files URIs, one or more, all of which are opened
     * @param labels null for images without labels
     * @throws UserError if a file cannot be read, what is noted is damaged, they name different classes, the columns have
     *     different types, or one is compressed as the executors cannot read
     */
    public static @Nullable ClassNames classes(
            JavaSparkContext spark, Configuration hadoop, String[] files, String image, @Nullable LabelForm labels) {
        String[] columns = labels == null ? new String[0] : labels.columns().toArray(String[]::new);
        String classes = labels == null || labels.byColumn() ? null : columns[0];
        String first = Collections.min(Arrays.asList(files));
        SerializableConfiguration configuration = new SerializableConfiguration(hadoop);
        SortedMap<String, Footer> footers = new TreeMap<>();
        Causes.unwrapped(
                        spark.parallelize(Arrays.asList(files), Math.min(files.length, spark.defaultParallelism()))
                                .map(file -> new Tuple2<>(
                                        file,
                                        Footer.read(
                                                configuration.value(),
                                                file,
                                                image,
                                                columns,
                                                classes,
                                                file.equals(first))))::collect)
                .forEach(each -> footers.put(each._1(), each._2()));
        Footer expected = Objects.requireNonNull(footers.get(first));
        footers.forEach((file, footer) -> {
            requireSame(image, first, expected.image, file, footer.image);
            for (int i = 0; i < columns.length; i++) {
                requireSame(columns[i], first, expected.labels[i], file, footer.labels[i]);
            }
        });
        footers.forEach((file, footer) -> {
            if (!footer.digest.equals(expected.digest)) {
                throw new UserError(file + ": has other classes than " + first + "; read them one by one");
            }
        });
        return expected.names.length == 0 ? null : new ClassNames(List.of(expected.names));
    }

    /** A column may be missing: then a folder is called after it, or its rows have none. */
    private static void requireSame(String column, String first, String expected, String file, String found) {
        if (!expected.isEmpty() && !found.isEmpty() && !expected.equals(found)) {
            throw new UserError(file + ": column " + column + " is " + found + ", but " + expected + " in " + first
                    + "; write the files with one type, or read them one by one");
        }
    }

    /** What is read of a file's footer. The names of the classes, which may be megabytes, come from the first file alone. */
    private static final class Footer implements Serializable {
        private static final long serialVersionUID = 1L;

        final String[] names;
        final String digest; // of the names
        final String image; // type of the column; empty if there is none, or it is a struct
        final String[] labels;

        private Footer(String[] names, String digest, String image, String[] labels) {
            this.names = names;
            this.digest = digest;
            this.image = image;
            this.labels = labels;
        }

        /** Reads a footer; {@code classes} is the column whose classes may be named, null: of none they are. */
        static Footer read(
                Configuration hadoop,
                String file,
                String image,
                String[] labels,
                @Nullable String classes,
                boolean first) {
            try (ParquetFileReader reader =
                    ParquetFileReader.open(HadoopInputFile.fromPath(new Path(URI.create(file)), hadoop))) {
                requireCodecs(hadoop, file, reader.getFooter());
                MessageType schema = reader.getFileMetaData().getSchema();
                String noted = reader.getFileMetaData().getKeyValueMetaData().getOrDefault(KEY, "{}");
                List<String> names = classes == null ? List.of() : names(file, noted, classes);
                return new Footer(
                        first ? names.toArray(String[]::new) : new String[0],
                        digest(names),
                        type(schema, image),
                        Arrays.stream(labels).map(label -> type(schema, label)).toArray(String[]::new));
            } catch (UserError e) {
                throw e;
            } catch (IOException | RuntimeException e) { // a damaged footer ends in either
                throw Failures.unlessAway(
                        file,
                        e,
                        new UserError(
                                file + ": cannot be read as Parquet (" + e.getMessage() + "); write it again", e));
            }
        }

        private static String digest(List<String> names) {
            MessageDigest digest = Sha256.digest();
            for (String name : names) {
                digest.update(name.getBytes(StandardCharsets.UTF_8));
                digest.update((byte) 0);
            }
            return Sha256.hexadecimal(digest);
        }

        private static String type(MessageType schema, String column) {
            return schema.containsField(column) && schema.getType(column).isPrimitive()
                    ? schema.getType(column)
                            .asPrimitiveType()
                            .getPrimitiveTypeName()
                            .toString()
                    : "";
        }

        private static void requireCodecs(Configuration hadoop, String file, ParquetMetadata footer) {
            for (BlockMetaData block : footer.getBlocks()) {
                for (ColumnChunkMetaData column : block.getColumns()) {
                    String codec = column.getCodec().getHadoopCompressionCodecClassName();
                    if (codec != null && hadoop.getClassByNameOrNull(codec) == null) {
                        throw new UserError(file + ": is compressed with " + column.getCodec()
                                + ", which Spark cannot read without " + codec
                                + "; write the file with ZSTD or SNAPPY, or add that class to the job");
                    }
                }
            }
        }
    }

    /**
     * Returns the class names in the metadata of a file; none if it has no classes for that column.
     *
     * @param noted the metadata, JSON
     * @throws UserError if it is damaged
     */
    public static List<String> names(String file, String noted, String column) {
        try {
            JsonNode feature =
                    MAPPER.readTree(noted).path("info").path("features").path(column);
            feature = feature.isArray() ? feature.path(0) : feature.has("feature") ? feature.path("feature") : feature;
            JsonNode names = feature.path("names");
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

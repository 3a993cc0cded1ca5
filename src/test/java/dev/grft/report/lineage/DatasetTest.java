package dev.grft.report.lineage;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DatasetTest {
    /** The expected names are those of {@code FilesystemDatasetUtils} in openlineage-java 1.53.0. */
    @ParameterizedTest
    @CsvSource({
        "file:/a/b, file, /a/b",
        "/a/b, file, /a/b",
        "hdfs://nn:8020/a/b, hdfs://nn:8020, /a/b",
        "hdfs://ns1/a/b, hdfs://ns1, /a/b",
        "s3a://bucket/a/b, s3://bucket, a/b",
        "s3://bucket/a, s3://bucket, a",
        "s3n://bucket/a, s3://bucket, a",
        "s3a://bucket/, s3://bucket, /",
        "gs://bucket/a/b, gs://bucket, a/b",
        "abfss://c@acct.dfs.core.windows.net/a/b, abfss://c@acct.dfs.core.windows.net, a/b",
        "abfs://c@acct.dfs.core.windows.net/a, abfss://c@acct.dfs.core.windows.net, a",
        "wasbs://c@acct.blob.core.windows.net/a, wasbs://c@acct.blob.core.windows.net, a",
        "viewfs://c/a, viewfs://c, /a",
        "dbfs:/mnt/a, dbfs, /mnt/a",
        "file:/a b/c#d, file, /a b/c#d"
    })
    void aPathIsCalledAsOpenLineagesOwnClientsCallIt(String path, String namespace, String name) {
        Dataset dataset = Dataset.at(new Path(path));
        assertThat(dataset.namespace()).isEqualTo(namespace);
        assertThat(dataset.name()).isEqualTo(name);
    }

    @Test
    void aFolderIsCalledTheSameWithASlashAtItsEnd() {
        assertThat(Dataset.at(URI.create("gs://bucket/a/"))).isEqualTo(Dataset.at(URI.create("gs://bucket/a")));
    }

    @Test
    void credentialsOfAnAddressAreLeftOut() {
        assertThat(Dataset.at(URI.create("s3a://KEY:hunter2@bucket/a")).namespace())
                .isEqualTo("s3://bucket");
        assertThat(Dataset.at(new Path("s3a://bucket/a?X-Amz-Signature=hunter2&x=1"))
                        .name())
                .isEqualTo("a?X-Amz-Signature=***&x=1");
    }

    @Test
    void aLaterDescriptionAddsToAnEarlierOne() {
        Dataset listed =
                Dataset.at(new Path("/a")).count(Dataset.Statistic.FILES, 3).version("1");
        Dataset read = Dataset.at(new Path("/a"))
                .count(Dataset.Statistic.ROWS, 7)
                .count(Dataset.Statistic.BYTES, -1)
                .version("2")
                .columns(List.of(new Dataset.Column("image", "binary")));
        Dataset both = listed.and(read);
        assertThat(both.statistics())
                .containsOnlyKeys(Dataset.Statistic.FILES, Dataset.Statistic.ROWS)
                .containsEntry(Dataset.Statistic.ROWS, 7L);
        assertThat(both.facets()).containsOnlyKeys("dataSource", "version", "schema");
        assertThat(both.facets().get("version").path("datasetVersion").asText()).isEqualTo("2");
        assertThat(both.facets().get("schema").at("/fields/0/ordinal_position").asInt())
                .isEqualTo(1);
        assertThat(both.and(Dataset.at(new Path("/a"))).facets()).isEqualTo(both.facets());
    }
}

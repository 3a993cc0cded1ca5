package dev.grft.spark.tables;

import dev.grft.report.lineage.Dataset;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.catalyst.TableIdentifier;
import org.apache.spark.sql.catalyst.catalog.CatalogTable;
import org.apache.spark.sql.catalyst.catalog.HiveTableRelation;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.connector.catalog.Identifier;
import org.apache.spark.sql.connector.catalog.TableCatalog;
import org.apache.spark.sql.execution.datasources.HadoopFsRelation;
import org.apache.spark.sql.execution.datasources.LogicalRelation;
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2Relation;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import scala.Option;
import scala.collection.JavaConverters;

/** The tables and files that a data frame reads, as datasets of OpenLineage. */
public final class Relations {
    private static final String SESSION_CATALOG = "spark_catalog";

    private Relations() {}

    /**
     * Returns the datasets below a data frame, also those below views, queries and subqueries. A table is called by its place, as OpenLineage's listener for
     * Spark does it, and by its name in the catalog.
     */
    @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
    public static List<Dataset> of(org.apache.spark.sql.Dataset<?> rows) {
        String warehouse = rows.sparkSession().conf().get("spark.sql.warehouse.dir", SESSION_CATALOG);
        List<Dataset> all = new ArrayList<>();
        LogicalPlan query = rows.queryExecution().analyzed();
        List<LogicalPlan> leaves = new ArrayList<>(JavaConverters.seqAsJavaList(query.collectLeaves()));
        for (LogicalPlan inner : JavaConverters.seqAsJavaList(query.subqueriesAll())) {
            leaves.addAll(JavaConverters.seqAsJavaList(inner.collectLeaves()));
        }
        for (LogicalPlan leaf : leaves) {
            if (leaf instanceof HiveTableRelation table) {
                all.add(table(table.tableMeta(), warehouse, leaf.schema()));
            } else if (leaf instanceof LogicalRelation table
                    && table.catalogTable().isDefined()) {
                all.add(table(table.catalogTable().get(), warehouse, leaf.schema()));
            } else if (leaf instanceof LogicalRelation files && files.relation() instanceof HadoopFsRelation relation) {
                for (Path root :
                        JavaConverters.seqAsJavaList(relation.location().rootPaths())) {
                    all.add(Dataset.at(root).type(Dataset.Type.FILE).columns(columns(leaf.schema())));
                }
            } else if (leaf instanceof DataSourceV2Relation table) {
                all.add(table(table, warehouse));
            }
        }
        return all;
    }

    /** Returns the columns of a table, each with its type in Spark's words. */
    public static List<Dataset.Column> columns(StructType schema) {
        return Arrays.stream(schema.fields())
                .map(field -> new Dataset.Column(field.name(), field.dataType().simpleString()))
                .toList();
    }

    private static Dataset table(CatalogTable table, String warehouse, StructType schema) {
        TableIdentifier name = table.identifier();
        Option<URI> place = table.storage().locationUri();
        return table(
                name.catalog().isDefined() ? name.catalog().get() : SESSION_CATALOG,
                (name.database().isDefined() ? name.database().get() + "." : "") + name.table(),
                place.isDefined() ? place.get() : null,
                warehouse,
                schema);
    }

    private static Dataset table(DataSourceV2Relation relation, String warehouse) {
        Option<Identifier> identifier = relation.identifier();
        List<String> name = new ArrayList<>();
        if (identifier.isDefined()) {
            name.addAll(List.of(identifier.get().namespace()));
            name.add(identifier.get().name());
        } else {
            name.add(relation.table().name());
        }
        String place = relation.table().properties().get(TableCatalog.PROP_LOCATION);
        return table(
                relation.catalog().isDefined() ? relation.catalog().get().name() : SESSION_CATALOG,
                String.join(".", name),
                place == null ? null : new Path(place).toUri(),
                warehouse,
                relation.schema());
    }

    /** Returns a table; those of Spark's own catalog are called after its warehouse, others after their catalog. */
    private static Dataset table(
            String catalog, String name, @Nullable URI place, String warehouse, StructType schema) {
        String namespace = catalog.equals(SESSION_CATALOG) ? warehouse : catalog;
        Dataset table = place == null
                ? Dataset.table(namespace, name)
                : Dataset.at(place).alsoTable(namespace, name);
        return table.type(Dataset.Type.TABLE).columns(columns(schema));
    }
}

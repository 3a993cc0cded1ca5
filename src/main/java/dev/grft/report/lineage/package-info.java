/**
 * Reports which data a verb reads and writes, as events of OpenLineage (https://openlineage.io/spec/2-0-2/OpenLineage.json).
 *
 * <p>Reads from: what the verbs have read and written. Writes to: a file, a folder or a server. Reading order: {@link
 * dev.grft.report.lineage.Lineage}, {@link dev.grft.report.lineage.Dataset}, {@link dev.grft.report.lineage.Transport}.
 */
@NullMarked
package dev.grft.report.lineage;

import org.jspecify.annotations.NullMarked;

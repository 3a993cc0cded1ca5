/**
 * What a person looks at: lines of progress, the history of a training, the table of results, a page about a run, and artifacts in words.
 *
 * <p>Reads from: steps, artifacts and run directories. Writes to: the console, {@code history.jsonl}, {@code metrics.json}, {@code
 * report.html}. Reading order: {@link dev.grft.report.Progress}, {@link dev.grft.report.History}, {@link
 * dev.grft.report.Metrics}, {@link dev.grft.report.Report}, {@link dev.grft.report.Inspection}.
 */
@NullMarked
package dev.grft.report;

import org.jspecify.annotations.NullMarked;

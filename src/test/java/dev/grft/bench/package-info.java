/**
 * What this project's work costs, beside what others make of the same work: {@code jobs/bench.sh}.
 *
 * <p>Reads from: nothing but options. Writes to: a table on standard output, {@code bench.json}. Reading order: {@link
 * dev.grft.bench.Bench}, {@link dev.grft.bench.Steps}, {@link dev.grft.bench.KernelBench}, {@link
 * dev.grft.bench.Applications}, {@link dev.grft.bench.Photos}; {@link dev.grft.bench.Work} is what is timed, {@link
 * dev.grft.bench.Row} what comes of it.
 */
@NullMarked
package dev.grft.bench;

import org.jspecify.annotations.NullMarked;

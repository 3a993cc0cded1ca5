/**
 * What a training will cost, before it runs: time, memory and bytes, by counting and by rates that are measured or given.
 *
 * <p>Reads from: settings and the sizes of a model, no weights. Writes to: text. Reading order: {@link dev.grft.cost.CostModel}, {@link
 * dev.grft.cost.MemoryModel}, {@link dev.grft.cost.Fit}, {@link dev.grft.cost.Plan}.
 */
@NullMarked
package dev.grft.cost;

import org.jspecify.annotations.NullMarked;

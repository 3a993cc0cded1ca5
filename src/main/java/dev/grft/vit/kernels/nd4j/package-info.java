/**
 * The arithmetic of the network by ND4J's operations, on its arrays alone; copies between them and Java's arrays; their memory.
 *
 * <p>Reads from and writes to: memory of the caller.
 *
 * <p>Reading order: {@link dev.grft.vit.kernels.nd4j.Flat} (copies), {@link dev.grft.vit.kernels.nd4j.Freed}, {@link
 * dev.grft.vit.kernels.nd4j.Operations}.
 */
@NullMarked
package dev.grft.vit.kernels.nd4j;

import org.jspecify.annotations.NullMarked;

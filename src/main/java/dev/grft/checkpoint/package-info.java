/**
 * Whole models, in the files of timm, transformers, torchvision and JAX.
 *
 * <p>Reads from and writes to any path that Hadoop can open ({@code file:}, {@code hdfs:}, {@code s3a:}). Nothing in a file is
 * trusted before it is checked. Reading order: {@link dev.grft.checkpoint.Checkpoint},
 * {@link dev.grft.checkpoint.NameMap}, then the rest.
 *
 * <p>{@code dev.grft.checkpoint.file} holds the file formats below this package; {@code dev.grft.checkpoint.artifact}
 * holds the files of a run above it.
 */
@NullMarked
package dev.grft.checkpoint;

import org.jspecify.annotations.NullMarked;

/**
 * What lies on disk: pretrained models, deltas, selections, merged models, the state of a training and its manifest.
 *
 * <p>Reads from and writes to any path that Hadoop knows ({@code file:}, {@code hdfs:}, {@code s3a:}); every file is
 * written under a temporary name and renamed. All numbers are in the safetensors format, which runs no code when it is
 * opened and is as readable from Python; whatever comes from a file is checked before it is believed. Reading order:
 * {@link dev.grft.checkpoint.Safetensors}, {@link dev.grft.checkpoint.Storage},
 * {@link dev.grft.checkpoint.Checkpoint}, {@link dev.grft.checkpoint.DeltaFile}, then the rest.
 */
@NullMarked
package dev.grft.checkpoint;

import org.jspecify.annotations.NullMarked;

/**
 * The files of a run: selection, delta, checkpoint of the training, merged model, manifest, and the delta in other
 * libraries' formats.
 *
 * <p>Reads from and writes to any path that Hadoop can open ({@code file:}, {@code hdfs:}, {@code s3a:}). All arrays are in
 * safetensors files, whose headers name their format and version. Reading order:
 * {@link dev.grft.checkpoint.artifact.DeltaFile}, {@link dev.grft.checkpoint.artifact.SelectionFile}, then the rest.
 */
@NullMarked
package dev.grft.checkpoint.artifact;

import org.jspecify.annotations.NullMarked;

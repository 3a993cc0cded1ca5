/**
 * File formats: tensors in safetensors and NumPy's {@code .npz}, JSON, and the storage that holds them.
 *
 * <p>Reads from and writes to any path that Hadoop can open ({@code file:}, {@code hdfs:}, {@code s3a:}). A file is
 * written under a temporary name and renamed. Safetensors runs no code when it is opened and can be read from Python. Sizes in a
 * file are checked before memory is allocated for them. Reading order: {@link dev.grft.checkpoint.file.Storage},
 * {@link dev.grft.checkpoint.file.Tensor}, {@link dev.grft.checkpoint.file.Safetensors}, then the rest.
 */
@NullMarked
package dev.grft.checkpoint.file;

import org.jspecify.annotations.NullMarked;

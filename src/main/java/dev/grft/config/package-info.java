/**
 * Text to validated records: {@code conf/base.yaml}, files over it, and {@code --set key=value} over both.
 *
 * <p>Reads from: YAML, on any file system of Hadoop's. Writes to: {@link dev.grft.config.Settings}. Reading order:
 * {@code Settings}, {@code SelectionSettings}, {@code Config}, {@code Layer}, {@code Schema}. A configuration key, the record's component and the
 * word in the documentation are the same.
 */
@NullMarked
package dev.grft.config;

import org.jspecify.annotations.NullMarked;

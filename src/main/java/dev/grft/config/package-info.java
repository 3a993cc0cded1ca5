/**
 * Text to validated records: {@code conf/base.yaml}, a file over it, and {@code --set key=value} over both.
 *
 * <p>Reads from: YAML. Writes to: {@link dev.grft.config.Settings}. A configuration key, the record's component and the
 * word in the documentation are the same.
 */
@NullMarked
package dev.grft.config;

import org.jspecify.annotations.NullMarked;

/**
 * The command line: verbs that parse, call and exit. No logic. Exit codes: {@link dev.grft.spark.cluster.Exit}.
 */
@NullMarked
package dev.grft.cli;

import org.jspecify.annotations.NullMarked;

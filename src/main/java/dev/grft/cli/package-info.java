/**
 * The command line: verbs that parse, call and exit. No logic. Exit codes: 0 done, 2 the user can mend it, 3 our mistake or
 * the cluster's.
 */
@NullMarked
package dev.grft.cli;

import org.jspecify.annotations.NullMarked;

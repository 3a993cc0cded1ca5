/**
 * How the driver and its workers reach each other for rounds that need no job each.
 *
 * <p>The driver listens on a port of its own, by Spark's transport, with Spark's authentication and encryption where they are on. Whoever connects
 * has to show the token of the training, which the tasks have from the driver.
 *
 * <p>Reads from: Spark's configuration, the connections. Writes to: the connections.
 *
 * <p>Reading order: {@link dev.grft.spark.rounds.Packet} (what travels), {@link dev.grft.spark.rounds.Link} (what a worker says to the driver), {@link
 * dev.grft.spark.rounds.Server} and {@link dev.grft.spark.rounds.Client}.
 */
@NullMarked
package dev.grft.spark.rounds;

import org.jspecify.annotations.NullMarked;

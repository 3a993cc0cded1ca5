/**
 * The protocol of rounds that need no job each: what a driver and its standing workers say to each other, without Spark and without a network.
 *
 * <p>A round sends one value to the workers, each shard makes a part of it, and the parts are added up over a binary tree that the number of
 * shards decides. Whoever holds both children of a node adds them, so the bits of the sum do not depend on which worker computed what, on
 * workers that die, or on those that join.
 *
 * <p>Reads from: its arguments. Writes to: nothing.
 *
 * <p>Reading order: {@link dev.grft.rounds.Node} (the tree), {@link dev.grft.rounds.Nodes} (what one side holds of a sum), {@link
 * dev.grft.rounds.Coordinator} (the driver's side), {@link dev.grft.rounds.Worker}.
 */
@NullMarked
package dev.grft.rounds;

import org.jspecify.annotations.NullMarked;

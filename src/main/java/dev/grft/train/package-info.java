/**
 * Gradients to a trained vector: the updater, the loop, the learning rate, what is saved to go on after
 * an interruption.
 *
 * <p>Reads from: batches, through the one seam {@link dev.grft.train.GradientSource}, of which it does not matter where
 * they are. Writes to: the trained vector and its state. To DL4J the network is a {@code MultiLayerNetwork} that
 * has the trained parameters and updates them; it computes no gradient. Reading order: {@link dev.grft.train.Trainer}, {@link
 * dev.grft.train.Learner} (the driver's side), {@link dev.grft.train.Replica} (the executors' side), {@link
 * dev.grft.train.StageLayer}, {@link dev.grft.train.UpdateRule}, {@link dev.grft.train.Decay}, {@link dev.grft.train.Pull} (the penalty), {@link dev.grft.train.Schedule}, {@link dev.grft.train.Probe}.
 */
@NullMarked
package dev.grft.train;

import org.jspecify.annotations.NullMarked;

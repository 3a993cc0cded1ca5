package dev.grft.rounds;

import org.jspecify.annotations.Nullable;

/**
 * A round.
 *
 * @param number from 1, larger than those before; 0 for none
 * @param sent what its parts are made of; null if there is no round
 */
public record Round<S>(long number, @Nullable S sent) {}

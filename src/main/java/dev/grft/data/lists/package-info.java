/**
 * Files that name images and what they show, a class for each form.
 *
 * <p>Reads from: text. Writes to: nothing.
 *
 * <p>Reading order: {@link dev.grft.data.lists.ListForm}, {@link dev.grft.data.lists.LineList}, {@link dev.grft.data.lists.JsonMapList}, {@link
 * dev.grft.data.lists.JsonLinesList}, {@link dev.grft.data.lists.CsvList}.
 */
@NullMarked
package dev.grft.data.lists;

import org.jspecify.annotations.NullMarked;

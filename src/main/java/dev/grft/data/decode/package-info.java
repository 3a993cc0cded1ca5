/**
 * From the bytes of an image file to its pixels, the same on every machine, and bounded in memory whatever a header claims.
 *
 * <p>Reads from: the bytes of JPEG, PNG, WebP, GIF, BMP and TIFF files. Writes to: {@link dev.grft.data.Pixels}.
 *
 * <p>Reading order:
 *
 * <ol>
 *   <li>{@link dev.grft.data.decode.ImageDecoder}: tells the format and reads what Java's and TwelveMonkeys' readers read;
 *   <li>{@code PlainJpeg}, {@code WebP}, {@code Gif}, {@code Tiff}: what these formats need beside;
 *   <li>{@link dev.grft.data.decode.Exif}: which side of a photo is up.
 * </ol>
 */
@NullMarked
package dev.grft.data.decode;

import org.jspecify.annotations.NullMarked;

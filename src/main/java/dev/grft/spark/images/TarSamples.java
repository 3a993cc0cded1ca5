package dev.grft.spark.images;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Failures;
import dev.grft.data.LabelForm;
import dev.grft.data.Target;
import dev.grft.data.lists.JsonLabels;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.apache.commons.compress.archivers.ArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.hadoop.fs.FSDataInputStream;
import org.jspecify.annotations.Nullable;

/** The samples of a tar, or of a part of it, one after the other. */
final class TarSamples implements Iterator<TarSamples.Sample>, AutoCloseable {
    /** Bytes of the largest image that is read. */
    static final int LARGEST = 1 << 28;

    private static final int RECORD = 512; // bytes that a tar counts in
    private static final int LARGEST_LABEL = 1 << 20;
    private static final Set<String> LABELS = Set.of("cls", "json");
    private static final ObjectMapper MAPPER = new ObjectMapper();

    final String tar;
    private final @Nullable Skimmed skimmed;
    private final ArchiveInputStream<TarArchiveEntry> in;
    private final @Nullable LabelForm labels;
    private final boolean content;
    private final long from;
    private final long to;
    final Map<String, Long> passed = new TreeMap<>(); // files that are in no sample, by reason
    boolean cut; // the tar has no end mark
    private long end; // of the last entry, in bytes
    private final Set<String> names = new HashSet<>();
    private @Nullable TarArchiveEntry entry; // the first of the next sample
    private long place; // of its content, the bytes before it
    private long unread; // bytes of the content of the last entry
    private @Nullable Sample next;

    /**
     * Opens a tar.
     *
     * @param tar its name, for names and messages
     * @param stream will be closed
     * @param labels how labels are read; null: they are not looked at
     * @param content whether the images are read, too
     * @param from first byte at which the first content of a sample may begin
     * @param to first byte after these
     * @throws UserError also later, if it is damaged, an entry would leave the tar, or two samples share a name
     */
    TarSamples(String tar, InputStream stream, @Nullable LabelForm labels, boolean content, long from, long to) {
        this.tar = tar;
        this.skimmed = stream instanceof Skimmed skims ? skims : null;
        this.from = from;
        this.to = to;
        this.in = new TarArchiveInputStream(stream, StandardCharsets.UTF_8.name());
        this.labels = labels;
        this.content = content;
        this.entry = following();
        this.next = sample();
    }

    @Override
    public boolean hasNext() {
        return next != null;
    }

    @Override
    public Sample next() {
        Sample present = next;
        if (present == null) {
            throw new NoSuchElementException();
        }
        next = sample();
        return present;
    }

    /** Returns the next entry that can belong to a sample, null behind the last one. */
    private @Nullable TarArchiveEntry following() {
        try {
            for (TarArchiveEntry each = header(); each != null; each = header()) {
                end = each.isSparse() ? 0 : in.getBytesRead() + (each.getSize() + RECORD - 1) / RECORD * RECORD;
                String name = each.getName();
                if (name.startsWith("/") || Arrays.asList(name.split("/")).contains("..")) {
                    throw new UserError(
                            tar + ": the entry " + name + " leaves the folder of the tar; is it the right file?");
                }
                if (isPlain(each) && point(name) > 0 && !name.startsWith("__")) {
                    return each;
                }
                if (!each.isDirectory() && isOfPart(place)) {
                    passOver(
                            isPlain(each)
                                    ? "in tars with names that begin with . or __, or have no ending"
                                    : "links in tars");
                }
            }
            long mark = in.getBytesRead() - end;
            if (mark > 0 && mark < RECORD) {
                throw new IOException("the last header is cut off");
            }
            cut = mark == 0;
            return null;
        } catch (IOException | IllegalArgumentException e) { // a damaged header ends in either
            throw damaged(e);
        }
    }

    /** Returns the next entry, null behind the last one. */
    private @Nullable TarArchiveEntry header() throws IOException {
        if (skimmed != null) {
            skimmed.skim(unread);
        }
        TarArchiveEntry next = in.getNextEntry();
        place = in.getBytesRead();
        unread = next != null && isPlain(next) && !next.isSparse() ? next.getSize() : 0;
        return next;
    }

    private boolean isOfPart(long begin) {
        return begin >= from && begin < to;
    }

    private void passOver(String reason) {
        passed.merge(reason, 1L, Long::sum);
    }

    /** Returns why an entry is ignored that is neither an image nor a class. */
    private static String reason(String kind) {
        String ending = ImageEndings.of(kind);
        if (ending.isEmpty()) {
            return "." + kind + " in tars";
        }
        return ImageEndings.contains(ending)
                ? "." + ending
                        + " in tars with another point before, for a sample's key ends at the first point of the"
                        + " file's name"
                : "." + ending + " in tars";
    }

    /** Returns whether an entry is a file of its own: nothing that it could link to is looked at. */
    private static boolean isPlain(TarArchiveEntry of) {
        return of.isFile()
                && !of.isLink()
                && !of.isSymbolicLink()
                && !of.isFIFO()
                && !of.isCharacterDevice()
                && !of.isBlockDevice();
    }

    private RuntimeException damaged(Exception e) {
        return Failures.unlessAway(
                tar,
                e,
                new UserError(tar + ": is not a tar, or is damaged (" + e.getMessage() + "); write it again", e));
    }

    /** Returns where the first point of a file's name is; negative without one, or if it is hidden. */
    private static int point(String name) {
        int file = name.lastIndexOf('/') + 1;
        int point = name.indexOf('.', file);
        return point == file ? -1 : point;
    }

    private static String key(TarArchiveEntry entry) {
        return entry.getName().substring(0, point(entry.getName()));
    }

    private static String kind(TarArchiveEntry entry) {
        return entry.getName().substring(point(entry.getName()) + 1).toLowerCase(Locale.ROOT);
    }

    /** Returns the next sample that has an image or a class, null behind the last one. */
    private @Nullable Sample sample() {
        while (entry != null && place < to) {
            boolean mine = isOfPart(place);
            String key = key(entry);
            String image = null;
            byte[] bytes = {};
            String broken = null;
            String cls = null;
            String json = null;
            List<String> kinds = new ArrayList<>();
            for (; entry != null && key(entry).equals(key); entry = following()) {
                String kind = kind(entry);
                kinds.add(kind);
                if (ImageEndings.contains(kind)) {
                    if (image != null) {
                        throw new UserError(tar + ": " + key + " has two images, " + image + " and " + entry.getName()
                                + "; keep one");
                    }
                    image = entry.getName();
                    broken = refused(entry);
                    bytes = mine && content && broken == null ? bytes(entry, LARGEST) : bytes;
                } else if (mine && labels != null && kind.equals("cls")) {
                    cls = new String(bytes(entry, LARGEST_LABEL), StandardCharsets.UTF_8).strip();
                } else if (mine && labels != null && kind.equals("json")) {
                    json = label(entry, labels);
                }
            }
            String label = cls == null ? json : label(key, cls, json, Objects.requireNonNull(labels));
            boolean classified = kinds.stream().anyMatch(LABELS::contains);
            if (image != null || classified) {
                String name = image == null ? key : image;
                if (!names.add(name)) {
                    throw new UserError(tar + ": " + name + " comes twice; write the tar again");
                }
            }
            if (!mine) {
                continue;
            }
            if (image != null || !classified) {
                kinds.stream()
                        .filter(kind -> !LABELS.contains(kind) && !ImageEndings.contains(kind))
                        .forEach(kind -> passOver(reason(kind)));
            }
            if (image != null) {
                return new Sample(tar + "/" + image, label, bytes, broken);
            }
            if (classified) {
                return new Sample(
                        tar + "/" + key,
                        label,
                        bytes,
                        "no " + ImageEndings.list("or") + ", only " + String.join(", ", kinds));
            }
        }
        close();
        return null;
    }

    /** Returns what the two files of a sample tell: of one class its .cls, else what its .json has before its .cls. */
    private @Nullable String label(String key, String cls, @Nullable String json, LabelForm form) {
        boolean showsNone = form.task() == Task.MULTI_LABEL && !form.byColumn();
        if ((json != null && form.task() != Task.SINGLE_LABEL) || (cls.isEmpty() && !showsNone)) {
            return json;
        }
        try {
            return form.ofText(cls);
        } catch (IllegalArgumentException e) {
            throw new UserError(tar + ": " + key + ".cls " + e.getMessage() + "; is data.labelColumn right?", e);
        }
    }

    private static @Nullable String refused(TarArchiveEntry entry) {
        return entry.isSparse()
                ? "a sparse file"
                : entry.getSize() > LARGEST ? "more than the " + LARGEST + " bytes allowed" : null;
    }

    /** Returns the bytes of the present entry; makes room for no more than there are. */
    private byte[] bytes(TarArchiveEntry of, int most) {
        if (of.isSparse()) {
            throw new UserError(
                    tar + ": " + of.getName() + " is a sparse file, which is not read; write the tar with plain files");
        }
        if (of.getSize() > most) {
            throw UserError.of(
                    "%s: %s has %d bytes, expected at most %d; is it the label of an image?",
                    tar, of.getName(), of.getSize(), most);
        }
        try {
            byte[] bytes = in.readNBytes(most);
            unread = 0;
            if (bytes.length != of.getSize()) {
                throw new IOException(of.getName() + " is cut off");
            }
            return bytes;
        } catch (IOException | IllegalArgumentException e) {
            throw damaged(e);
        }
    }

    private @Nullable String label(TarArchiveEntry of, LabelForm form) {
        try {
            return JsonLabels.ofKeys(MAPPER.readTree(bytes(of, LARGEST_LABEL)), form);
        } catch (IllegalArgumentException e) {
            throw new UserError(tar + ": " + of.getName() + " " + e.getMessage() + "; is data.labelColumn right?", e);
        } catch (IOException e) { // also of bytes that are text in no encoding
            String why = e instanceof JsonProcessingException wrong ? wrong.getOriginalMessage() : e.getMessage();
            throw new UserError(
                    tar + ": " + of.getName() + " is not JSON: " + why + "; correct it and write the tar again", e);
        }
    }

    @Override
    public void close() {
        try {
            in.close();
        } catch (IOException e) {
            throw new UncheckedIOException(tar + ": cannot be closed", e);
        }
    }

    /** An image and its class. */
    static final class Sample {
        final String name;
        final @Nullable String label;
        final byte[] content; // empty if only names and labels are read
        final @Nullable String broken; // why there is no content

        private Sample(String name, @Nullable String label, byte[] content, @Nullable String broken) {
            this.name = name;
            this.label = label;
            this.content = content;
            this.broken = broken;
        }

        Encoded encoded(String prefix, Target target) {
            return broken == null
                    ? Encoded.file(prefix + name, target, content)
                    : Encoded.broken(prefix + name, target, broken);
        }
    }

    /** A file that is read from its beginning to its end, without some stretches that are of no use. */
    static final class Skimmed extends InputStream {
        /** Bytes that are faster read than sought past, in an object store. */
        private static final int SHORT = 1 << 18;

        private final FSDataInputStream in;
        private final long length;
        private long left; // bytes of the present stretch

        Skimmed(FSDataInputStream in, long length) {
            this.in = in;
            this.length = length;
        }

        /** Lets the next bytes be read without their content, which is not used. */
        void skim(long bytes) throws IOException {
            if (bytes >= SHORT) {
                if (in.getPos() + bytes > length) {
                    throw new EOFException("it ends within an entry");
                }
                in.seek(in.getPos() + bytes);
                left = bytes;
            }
        }

        @Override
        public int read() throws IOException {
            if (left > 0) {
                left--;
                return 0;
            }
            return in.read();
        }

        @Override
        public int read(byte[] bytes, int from, int count) throws IOException {
            if (left > 0) {
                int some = (int) Math.min(left, count);
                left -= some;
                return some;
            }
            return in.read(bytes, from, count);
        }

        @Override
        public void close() {
            try {
                in.close();
            } catch (IOException e) {
                throw new UncheckedIOException("a tar cannot be closed", e);
            }
        }
    }
}

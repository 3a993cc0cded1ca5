package dev.grft.spark.images;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import java.io.Serializable;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/** Images of one form at one place: names and labels for the driver, encoded bytes for the tasks. */
public interface Source {
    /** The name and label of an image, and where its source finds it again. */
    final class Named implements Serializable { // not a record, which Kryo cannot write
        private static final long serialVersionUID = 1L;

        public final String name;
        public final @Nullable String label; // as LabelForm writes it
        final int part; // of its source: a tar, a file of a table
        final int place; // in the part
        transient int source; // the how many-th of its set

        Named(String name, @Nullable String label, int part, int place) {
            this.name = name;
            this.label = label;
            this.part = part;
            this.place = place;
        }
    }

    /** Returns the folder that names are relative to. */
    Path root();

    /** Returns the columns of the table that holds the images; null if they are in none. */
    default @Nullable StructType columns() {
        return null;
    }

    /** Returns how the labels are written; null if they are not read, or if each is the one class of its image. */
    default @Nullable LabelForm form() {
        return null;
    }

    /** Returns what the labels say of an image. */
    default Task task() {
        LabelForm form = form();
        return form == null ? Task.SINGLE_LABEL : form.task();
    }

    /**
     * Returns the names and labels of all images, in any order. They are listed, not opened.
     *
     * @param prefix what every name begins with: empty, or a path that ends with a slash
     */
    List<Named> named(String prefix);

    /**
     * Returns the classes or values that the source itself names, in order, whether an image shows them or not; null if it does not.
     * Asked for after {@link #named}.
     */
    default @Nullable List<String> classes() {
        LabelForm form = form();
        return form != null && form.byColumn() ? form.columns() : null;
    }

    /** Returns what lies there and is not among the images; called once they were named or read. */
    default PassedOver passedOver() {
        return new PassedOver();
    }

    /**
     * Refuses images without a label, and classes that are none.
     *
     * @param named what {@link #named} returned
     * @param known whether the classes are known, and not those that are found
     * @throws UserError with the place and what to do about it
     */
    void checkLabels(List<Named> named, boolean known);

    /** The ranks of a source's images among all names, as {@link Ranks#of} returns them. Only the driver has all of them. */
    interface Ranking {
        /** Returns the ranks of each part. */
        List<Ranks> of(int parts);
    }

    /**
     * Returns the encoded images by their rank among all names. An image that is not there is one without bytes. A task receives the ranks of
     * the images that it reads, and no others.
     *
     * @param ranking of the images that {@link #named} returned last
     * @param labels the classes; null: the images get none
     */
    JavaPairRDD<Long, Encoded> encoded(String prefix, Ranking ranking, @Nullable Labels labels);

    /** Returns the files of the images if each has one; else null. */
    default ListedImages.@Nullable Files files(String prefix, @Nullable Labels labels) {
        return null;
    }

    /** Images in files, which can be read in the order of the files where they are. */
    interface Stored extends Source {
        /** Returns the number of images; -1 if only reading all of them tells it. */
        long count();

        /**
         * Returns the encoded images without labels. The partitions, one after the other, have them in the order of the files'
         * paths and of the images in a file. A partition is read as it is asked for: nothing is shuffled or kept.
         *
         * @param partitions how many there are, about; 1 or more
         * @param batch images that stay together, from the first on, where each has a file
         */
        JavaRDD<Encoded> inOrder(int partitions, int batch);
    }
}

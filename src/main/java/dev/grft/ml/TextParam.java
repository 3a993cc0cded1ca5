package dev.grft.ml;

import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/** A parameter that is text. Spark Connect refuses values of a parameter whose class it does not find. */
final class TextParam extends Param<String> {
    private static final long serialVersionUID = 1L;

    TextParam(Params of, String name, String doc) {
        super(of, name, doc);
    }

    /** Returns the class of the values; overrides Spark 4's method, which Spark 3 has not. */
    @SuppressWarnings("MissingOverride") // see above
    public Class<String> dataClass() {
        return String.class;
    }
}

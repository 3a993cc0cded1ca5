package dev.grft.config;

import dev.grft.UserError;
import java.util.regex.Pattern;

/**
 * Keeps passwords out of what is written down. What a run is told stands in manifests, deltas, reports and logs; so an address with
 * a password in it, such as {@code s3a://KEY:SECRET@bucket}, is refused wherever one is given, and not repeated.
 */
public final class Credentials {
    private static final Pattern PASSWORD = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]*://[^/\\s@]*:[^/\\s]*@");

    private Credentials() {}

    /**
     * Refuses text with such an address.
     *
     * @param place of the text, for the error
     * @throws UserError which does not repeat the text
     */
    public static void refuse(String place, String text) {
        if (PASSWORD.matcher(text).find()) {
            throw new UserError(place
                    + ": has an address with a password in it, which would be written into manifests and logs; take it"
                    + " out, and give credentials as the file system or the server takes them, such as by AWS_SECRET_ACCESS_KEY"
                    + " or MLFLOW_TRACKING_PASSWORD in the environment");
        }
    }
}

package dev.grft.config;

import dev.grft.UserError;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Keeps passwords out of what is written down. The settings of a run stand in manifests, deltas, reports and logs; so an address with
 * a password in it, such as {@code s3a://KEY:SECRET@bucket}, or with a signature in its query, such as Azure's SAS and presigned addresses of
 * S3 and GCS, is refused wherever one is given, and not repeated.
 */
public final class Credentials {
    /**
     * An address with USER:PASSWORD@, whose password may have slashes, as AWS's do. The path below HOST:PORT may have an @, but no bucket
     * of S3 has a port.
     */
    private static final Pattern PASSWORD =
            Pattern.compile("((?i:s3[an]?)://|[A-Za-z][A-Za-z0-9+.-]*://(?=[^/\\s@:\\[]*:(?!\\d{1,5}[/,;])))"
                    + "[^/\\s@:]*:[^\\s@\"']*@(?:[^/\\s]*@)?");

    private static final String PARAMETERS =
            "(?i:sig|signature|x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid"
                    + "|googleaccessid|access_token|token|api_?key|password|secret)";

    /** A parameter of an address's query that gives access to every reader. */
    private static final Pattern SIGNATURE =
            Pattern.compile("[A-Za-z][A-Za-z0-9+.-]*://\\S*?[?&;](" + PARAMETERS + ")=[^&\\s]");

    private static final Pattern SIGNATURES = Pattern.compile("([?&;]" + PARAMETERS + "=)[^&\\s\"']+");
    private static final String MASK = "***";

    private Credentials() {}

    /** Returns text, such as an error, with the passwords and signatures of its addresses replaced. */
    public static String masked(String text) {
        return SIGNATURES
                .matcher(PASSWORD.matcher(text).replaceAll("$1" + MASK + "@"))
                .replaceAll("$1" + MASK);
    }

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
        Matcher signature = SIGNATURE.matcher(text);
        if (signature.find()) {
            throw UserError.of(
                    "%s: has an address with a credential in its query (%s=), which would be written into manifests and logs;"
                            + " take the query out, and give credentials as the file system takes them, such as by"
                            + " fs.azure.sas.fixed.token for Azure's SAS or AWS_SESSION_TOKEN for S3",
                    place, signature.group(1));
        }
    }
}

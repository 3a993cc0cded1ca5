package dev.grft.report;

import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;

/** What this program was built from. */
public final class Build {
    private static final Properties PROPERTIES = properties();

    private Build() {}

    /** Returns the version. */
    public static String version() {
        return property("version");
    }

    /** Returns the commit, or {@code unknown} for a build outside of git. */
    public static String commit() {
        return property("commit");
    }

    /** Returns the address of the source. */
    public static String url() {
        return property("url");
    }

    /** Returns the version of ND4J. */
    public static String nd4j() {
        return property("nd4j");
    }

    private static String property(String name) {
        String value = PROPERTIES.getProperty(name, "unknown");
        return value.startsWith("${") ? "unknown" : value;
    }

    private static Properties properties() {
        Properties properties = new Properties();
        try (InputStream in = Build.class.getResourceAsStream("/dev/grft/build.properties")) {
            if (in != null) {
                properties.load(in);
            }
        } catch (IOException e) {
            throw new IllegalStateException("the program's own jar cannot be read", e);
        }
        return properties;
    }
}

package dev.grft.cli;

import dev.grft.report.Build;
import picocli.CommandLine.IVersionProvider;

/** Tells {@code --version}. */
final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
        return new String[] {"grft " + Build.version() + ", commit " + Build.commit()};
    }
}

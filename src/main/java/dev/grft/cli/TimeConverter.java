package dev.grft.cli;

import java.time.Duration;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads times as people write them: 45s, 90m, 1h30m, 2d. */
final class TimeConverter implements ITypeConverter<Duration> {
    @Override
    public Duration convert(String text) {
        if (!text.matches("(?=.)(\\d{1,6}d)?(\\d{1,6}h)?(\\d{1,6}m)?(\\d{1,6}s)?")) {
            throw new TypeConversionException("'" + text + "' is no time such as 45s, 90m, 1h30m or 2d");
        }
        String days = text.replaceFirst("^(\\d+d)?.*", "$1");
        String rest = text.substring(days.length());
        return Duration.parse("P" + days + (rest.isEmpty() ? "" : "T" + rest));
    }
}

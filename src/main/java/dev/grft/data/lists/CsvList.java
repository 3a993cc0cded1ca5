package dev.grft.data.lists;

import com.univocity.parsers.common.TextParsingException;
import com.univocity.parsers.csv.CsvParser;
import com.univocity.parsers.csv.CsvParserSettings;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import java.io.StringReader;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** CSV with a header: columns {@code path} or {@code file_name}, as Hugging Face's metadata.csv has it, and those of the labels. */
public final class CsvList extends ListForm {
    private static final int LONGEST = 1 << 16; // characters of a cell

    /**
     * Returns the form of a file.
     *
     * @param path for messages
     * @param labels how labels are read; null for images without labels, which then need none
     * @param images takes them
     */
    public CsvList(String path, @Nullable LabelForm labels, Images images) {
        super(path, labels, images);
    }

    @Override
    public void parse(String text) {
        CsvParserSettings settings = new CsvParserSettings();
        settings.getFormat().setComment('\0'); // none: a path may begin with #
        settings.getFormat().setDelimiter(delimiter(text));
        settings.setLineSeparatorDetectionEnabled(true);
        settings.setMaxCharsPerColumn(LONGEST);
        settings.setMaxColumns(LONGEST);
        settings.setInputBufferSize(LONGEST);
        settings.setReadInputOnSeparateThread(false);
        settings.setErrorContentLength(SHOWN);
        CsvParser parser = new CsvParser(settings);
        try {
            parser.beginParsing(new StringReader(text));
            String[] header = parser.parseNext();
            int image = column(header, "path", "file_name");
            List<String> columns = labels == null ? List.of() : labels.columns();
            int[] cells =
                    columns.stream().mapToInt(name -> column(header, name)).toArray();
            boolean always = labels != null && labels.task() == Task.SINGLE_LABEL;
            for (String[] row = parser.parseNext(); row != null; row = parser.parseNext()) {
                String[] line = row;
                String place = "line " + parser.getContext().currentLine();
                int last = Math.max(image, Arrays.stream(cells).max().orElse(0));
                if (last >= row.length || row[image] == null || (always && row[cells[0]] == null)) {
                    throw error(
                            place,
                            "must have a path" + (labels == null ? "" : " and a " + String.join(", ", columns))
                                    + ", got '" + shown(String.join(",", texts(row))) + "'; mend the line");
                }
                images.add(
                        row[image],
                        labels == null
                                ? ""
                                : label(
                                        row[image],
                                        place,
                                        () -> labels.byColumn()
                                                ? labels.ofCells(Arrays.stream(cells)
                                                        .mapToObj(cell -> line[cell])
                                                        .collect(Collectors.toList())) // which may have nulls
                                                : labels.ofText(Objects.requireNonNullElse(line[cells[0]], ""))),
                        place);
            }
        } catch (TextParsingException e) {
            throw new UserError(
                    path + ": is not CSV, line " + (e.getLineIndex() + 1) + "; mend the line, or use another file", e);
        } finally {
            parser.stopParsing();
        }
    }

    /** Returns what separates the cells: a comma, or what spreadsheets write in its place, by the header. */
    private static char delimiter(String text) {
        String header = text.lines().findFirst().orElse("");
        return header.contains(",") ? ',' : header.contains(";") ? ';' : header.contains("\t") ? '\t' : ',';
    }

    private static List<String> texts(@Nullable String[] row) {
        return Arrays.stream(row).map(cell -> cell == null ? "" : cell).toList();
    }

    private int column(@Nullable String @Nullable [] header, String... names) {
        for (int i = 0; header != null && i < header.length; i++) {
            if (Arrays.asList(names).contains(header[i])) {
                return i;
            }
        }
        throw error(
                "line 1",
                "must be a header with " + String.join(" or ", names) + ", got '"
                        + (header == null ? "" : shown(String.join(",", texts(header))))
                        + "'; add the column, or set data.labelColumn");
    }
}

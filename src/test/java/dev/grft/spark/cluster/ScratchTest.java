package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.verbs.OnSpark;
import java.io.File;
import java.lang.reflect.Field;
import java.util.Collection;
import java.util.List;
import org.junit.jupiter.api.Test;

class ScratchTest extends OnSpark {
    @Test
    void aFileIsDeletedWhenTheProcessEnds() throws ReflectiveOperationException {
        File file = Scratch.file();
        assertThat(file).doesNotExist();
        assertThat(file.getParentFile()).isDirectory();
        Field files = Class.forName("java.io.DeleteOnExitHook").getDeclaredField("files");
        files.setAccessible(true);
        assertThat(List.copyOf((Collection<?>) files.get(null)).toString()).contains(file.getPath());
    }
}

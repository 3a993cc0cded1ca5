package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.OffsetDateTime;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.impl.Log4jLogEvent;
import org.apache.logging.log4j.message.SimpleMessage;
import org.junit.jupiter.api.Test;

class JsonLogsTest {
    @Test
    void eachEventIsAnObjectOnALineOfItsOwn() throws IOException {
        try (LoggerContext context = new LoggerContext(
                "json", null, Path.of("conf/spark/log4j2-json.properties").toUri())) {
            context.start();
            byte[] written = context.getConfiguration()
                    .getAppender("stderr")
                    .getLayout()
                    .toByteArray(Log4jLogEvent.newBuilder()
                            .setLoggerName("org.apache.spark.scheduler.TaskSetManager")
                            .setLevel(Level.WARN)
                            .setTimeMillis(1_700_000_000_000L)
                            .setMessage(new SimpleMessage("lost task \"7\"\nof stage 3"))
                            .setThrown(new IllegalStateException("gone"))
                            .build());
            String text = new String(written, StandardCharsets.UTF_8);
            assertThat(text.strip().lines()).hasSize(1);
            assertThat(text).endsWith("\n");
            JsonNode event = new ObjectMapper().readTree(text);
            assertThat(event.path("level").asText()).isEqualTo("WARN");
            assertThat(event.path("message").asText()).isEqualTo("lost task \"7\"\nof stage 3");
            assertThat(event.at("/thrown/extendedStackTrace").asText()).contains("JsonLogsTest");
            assertThat(OffsetDateTime.parse(event.path("time").asText()).toEpochSecond())
                    .isEqualTo(1_700_000_000L);
            assertThat(context.getLogger("dev.grft.any").getLevel()).isEqualTo(Level.INFO);
            assertThat(context.getLogger("org.apache.spark").getLevel()).isEqualTo(Level.WARN);
        }
    }
}

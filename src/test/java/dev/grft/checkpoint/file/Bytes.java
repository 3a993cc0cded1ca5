package dev.grft.checkpoint.file;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;

/** A safetensors file to be damaged: its parts, which a test changes, and the file that they make. */
public final class Bytes {
    public final Map<String, String> metadata;
    public final Map<String, Tensor> tensors = new LinkedHashMap<>();

    public Bytes(Safetensors file) {
        metadata = new LinkedHashMap<>(file.metadata());
        file.names().forEach(name -> tensors.put(name, file.tensor(name)));
    }

    public Safetensors file() {
        try {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Safetensors.write(out, metadata, tensors);
            return Safetensors.read("x", out.toByteArray());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

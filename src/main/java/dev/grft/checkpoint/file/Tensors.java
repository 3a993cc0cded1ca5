package dev.grft.checkpoint.file;

import com.fasterxml.jackson.databind.JsonNode;
import dev.grft.UserError;
import dev.grft.data.Sha256;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * The tensors of a model, from whatever they lie in: a safetensors file, several with an index, or NumPy's {@code .npz}.
 *
 * @param file as errors tell it
 * @param byName in the order of the file
 * @param sha256 of the file, in lower-case hexadecimal; of several, of the lines {@code NAME SHA256} in the order of their
 *     names
 */
public record Tensors(String file, Map<String, Tensor> byName, String sha256) {
    /** The end of the name of an index. */
    public static final String INDEX = ".index.json";

    /** Returns the tensors of a file, read once. */
    public static Tensors read(Configuration hadoop, Path path) {
        if (path.getName().endsWith(INDEX)) {
            return shards(hadoop, path);
        }
        return path.getName().endsWith(Npz.SUFFIX) ? Npz.read(hadoop, path) : of(Safetensors.read(hadoop, path));
    }

    private static Tensors of(Safetensors file) {
        Map<String, Tensor> byName = new LinkedHashMap<>();
        file.names().forEach(name -> byName.put(name, file.tensor(name)));
        return new Tensors(file.file(), byName, file.sha256());
    }

    /** Reads the files that an index of Hugging Face's names: {@code {"weight_map": {TENSOR: FILE}}}. */
    private static Tensors shards(Configuration hadoop, Path index) {
        JsonNode places = Json.parse(index.toString(), new Storage(hadoop).readString(index))
                .path("weight_map");
        if (!places.isObject() || places.isEmpty()) {
            throw UserError.of("%s: weight_map must name the file of each tensor, got %s", index, places);
        }
        Set<String> files = new TreeSet<>();
        places.forEach(file -> files.add(file.asText()));
        Map<String, Tensor> byName = new LinkedHashMap<>();
        MessageDigest digest = Sha256.digest();
        for (String name : files) {
            if (!name.matches("[\\w.-]+\\.safetensors")) {
                throw UserError.of(
                        "%s: weight_map names the file %s, expected a .safetensors file in the same folder",
                        index, name);
            }
            Safetensors file = Safetensors.read(hadoop, Storage.beside(index, name));
            digest.update((name + " " + file.sha256() + "\n").getBytes(StandardCharsets.UTF_8));
            for (String tensor : file.names()) {
                if (!places.path(tensor).asText().equals(name)) {
                    throw UserError.of(
                            "%s: has the tensor %s, which %s does not place there; download the files again",
                            file.file(), tensor, index.getName());
                }
                byName.put(tensor, file.tensor(tensor));
            }
        }
        for (String tensor : (Iterable<String>) places::fieldNames) {
            if (!byName.containsKey(tensor)) {
                throw UserError.of(
                        "%s: places the tensor %s in %s, where it is missing; download the files again",
                        index, tensor, places.path(tensor).asText());
            }
        }
        return new Tensors(index.toString(), byName, Sha256.hexadecimal(digest));
    }

    public Set<String> names() {
        return byName.keySet();
    }

    public boolean has(String name) {
        return byName.containsKey(name);
    }

    /** Returns the tensor of this name, or throws a UserError. */
    public Tensor tensor(String name) {
        Tensor found = byName.get(name);
        if (found == null) {
            throw UserError.of("%s: the tensor %s is missing; is it another file?", file, name);
        }
        return found;
    }
}

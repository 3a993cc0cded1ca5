package dev.grft;

import java.util.LinkedHashMap;
import java.util.Map;

/** The shapes of ViT-B/16, written out by hand. */
final class VitB16 {
    /** Parameters without the head. */
    static final long BACKBONE = 85_798_656;

    static final Map<String, MatrixShape> MATRICES = new LinkedHashMap<>();

    static {
        MATRICES.put("patch_embed.proj.weight", new MatrixShape(768, 768));
        for (int b = 0; b < 12; b++) {
            MATRICES.put("blocks." + b + ".attn.qkv.weight", new MatrixShape(2304, 768));
            MATRICES.put("blocks." + b + ".attn.proj.weight", new MatrixShape(768, 768));
            MATRICES.put("blocks." + b + ".mlp.fc1.weight", new MatrixShape(3072, 768));
            MATRICES.put("blocks." + b + ".mlp.fc2.weight", new MatrixShape(768, 3072));
        }
    }

    private VitB16() {}
}

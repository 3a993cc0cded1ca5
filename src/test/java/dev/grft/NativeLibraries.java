package dev.grft;

import dev.grft.vit.kernels.Backend;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Does for tests, which use ND4J in any order, what the program does before it uses ND4J; JUnit finds it as a service. */
public final class NativeLibraries implements BeforeAllCallback {
    @Override
    public void beforeAll(ExtensionContext context) {
        Backend.prepare();
    }
}

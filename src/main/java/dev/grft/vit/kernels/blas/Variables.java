package dev.grft.vit.kernels.blas;

import com.sun.jna.NativeLibrary;

/** Variables of the environment that native libraries of this process see, which Java cannot set. A library must not be loaded before. */
public final class Variables {
    private Variables() {}

    /** Sets a variable, unless it is set. */
    public static void putIfAbsent(String name, String value) {
        set(name, value, 0);
    }

    /** Sets a variable. */
    public static void put(String name, String value) {
        set(name, value, 1);
    }

    private static void set(String name, String value, int overwrite) {
        NativeLibrary.getProcess().getFunction("setenv").invokeInt(new Object[] {name, value, overwrite});
    }
}

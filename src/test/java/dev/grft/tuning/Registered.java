package dev.grft.tuning;

/** A method that is registered for the time of a test. */
public record Registered(Method method) implements AutoCloseable {
    /** Registers a method. */
    public Registered {
        Method.register(method);
    }

    @Override
    public void close() {
        Method.ALL.remove(method.word());
    }
}

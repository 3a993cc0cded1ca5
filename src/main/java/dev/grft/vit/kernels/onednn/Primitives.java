package dev.grft.vit.kernels.onednn;

import java.lang.ref.Reference;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.IntSupplier;
import org.bytedeco.dnnl.IntMemoryMap;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.primitive;
import org.bytedeco.dnnl.primitive_attr;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.jspecify.annotations.Nullable;

/** What oneDNN has prepared, kept until it is closed; for one thread at a time. */
final class Primitives implements AutoCloseable {
    private static final int MOST = 512; // of them, lest they grow without end while the number of rows varies

    private final Map<Object, Prepared> prepared = new HashMap<>();
    private final Deque<Pointer> owned = new ArrayDeque<>(); // native objects, the last made first
    private final IntSupplier threads;
    private @Nullable stream queue;

    /** Returns primitives that use so many threads. */
    Primitives(IntSupplier threads) {
        this.threads = threads;
    }

    /** An argument of a primitive, such as {@code DNNL_ARG_SRC}, and what its memory looks like. */
    record Argument(int index, memory.desc form) {}

    /** Returns the primitive of a key, which is made at the first call and then for the number of threads of now. */
    <K> Prepared get(K key, Function<K, Prepared> made) {
        OneDnn.use(threads.getAsInt());
        Prepared found = prepared.get(key);
        if (found == null) {
            if (prepared.size() >= MOST) {
                close(); // none of them is at work
            }
            found = made.apply(key);
            prepared.put(key, found);
        }
        return found;
    }

    /** Returns a primitive that takes memory for its arguments, in their order. */
    Prepared prepared(primitive made, memory.desc scratch, List<Argument> arguments) {
        return new Prepared(made, scratch, arguments);
    }

    /** Returns how primitives are to be made: the same inputs give the same bits, and scratch memory is ours. */
    static primitive_attr how() {
        primitive_attr how = new primitive_attr();
        how.set_deterministic(true);
        how.set_scratchpad_mode(dnnl.scratchpad_mode.user);
        return how;
    }

    static memory.desc view(Matrices matrices, memory.data_type type) {
        return new memory.desc(matrices.sizes(), type, matrices.strides());
    }

    /** Returns the type of the values at a pointer: shorts are bfloat16. */
    static memory.data_type type(Pointer pointer) {
        return pointer instanceof ShortPointer ? memory.data_type.bf16 : memory.data_type.f32;
    }

    private <T extends Pointer> T own(T made) {
        owned.push(made);
        return made;
    }

    private stream queue() {
        if (queue == null) {
            queue = own(new stream(OneDnn.engine()));
        }
        return queue;
    }

    int size() {
        return prepared.size();
    }

    /** Frees what is prepared. */
    @Override
    public void close() {
        prepared.clear();
        queue = null;
        while (!owned.isEmpty()) {
            owned.pop().close();
        }
    }

    /** One prepared primitive. */
    final class Prepared {
        private final primitive operation;
        private final memory[] memories;
        private final IntMemoryMap arguments;

        private Prepared(primitive made, memory.desc scratch, List<Argument> arguments) {
            this.operation = own(made);
            this.arguments = own(new IntMemoryMap());
            this.memories = new memory[arguments.size()];
            for (int i = 0; i < memories.length; i++) {
                memories[i] = own(new memory(arguments.get(i).form, OneDnn.engine(), new Pointer()));
                this.arguments.put(arguments.get(i).index, memories[i]);
            }
            this.arguments.put(dnnl.DNNL_ARG_SCRATCHPAD, own(new memory(scratch, OneDnn.engine())));
        }

        /** Executes it on memory, each at the address of its pointer, in the order of the arguments. */
        void execute(Pointer... at) {
            try {
                for (int i = 0; i < memories.length; i++) {
                    memories[i].set_data_handle(at[i]);
                }
                operation.execute(queue(), arguments);
                queue()._wait();
            } finally {
                Reference.reachabilityFence(at);
            }
        }
    }
}

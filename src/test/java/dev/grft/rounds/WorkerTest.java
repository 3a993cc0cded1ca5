package dev.grft.rounds;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** What a worker knows about its next work. */
class WorkerTest {
    private final Worker<String, String> worker = new Worker<>(8, (a, b) -> a + b);

    private void assertComing(String sent, List<Integer> open, List<Integer> given) {
        assertThat(worker.coming()).isEqualTo(new Worker.Coming<>(sent, open, given));
    }

    @Test
    void whatComesIsWhatIsOpenThenWhatWasGivenInThisRound() {
        assertThat(worker.coming()).isEqualTo(new Worker.Coming<>(null, List.of(), List.of()));
        Round<String> first = new Round<>(1, "first");
        worker.given(first, List.of(2, 3));
        assertComing("first", List.of(2, 3), List.of(2, 3));
        Worker.Task<String> two = Objects.requireNonNull(worker.next());
        Worker.Task<String> three = Objects.requireNonNull(worker.next());
        assertComing("first", List.of(), List.of(2, 3));
        worker.failed(two);
        assertComing("first", List.of(2), List.of(2, 3));
        worker.made(three, "3");
        worker.given(first, List.of(5)); // a second answer
        assertComing("first", List.of(2, 5), List.of(2, 3, 5));
        worker.given(new Round<>(2, "second"), List.of(4));
        assertComing("second", List.of(4), List.of(4));
        worker.given(first, List.of(6)); // too late
        assertComing("second", List.of(4), List.of(4));
    }

    /** The driver learns that the images are there by now. */
    @Test
    void aPartOfARoundThatIsOverIsDeliveredWithoutAValue() {
        worker.given(new Round<>(1, "first"), List.of(2));
        Worker.Task<String> two = Objects.requireNonNull(worker.next());
        worker.given(new Round<>(2, "second"), List.of(3));
        Worker.Task<String> three = Objects.requireNonNull(worker.next());
        assertThat(worker.made(two, "2")).containsExactly(new Nodes.Held<>(Node.of(2), null));
        assertThat(worker.made(three, "3")).containsExactly(new Nodes.Held<>(Node.of(3), "3"));
    }

    @Test
    void whatCameIsACopy() {
        worker.given(new Round<>(1, "first"), List.of(2, 3));
        Worker.Coming<String> before = worker.coming();
        worker.next();
        worker.given(new Round<>(2, "second"), List.of(4));
        assertThat(before).isEqualTo(new Worker.Coming<>("first", List.of(2, 3), List.of(2, 3)));
    }

    @Test
    void aRoundThatIsOnlyHeardOfHasNothingKnown() {
        worker.given(new Round<>(1, "first"), List.of(2, 3));
        worker.heard(1);
        assertComing("first", List.of(2, 3), List.of(2, 3));
        worker.heard(2);
        assertThat(worker.coming()).isEqualTo(new Worker.Coming<>(null, List.of(), List.of()));
        worker.given(new Round<>(2, "second"), List.of(3));
        assertComing("second", List.of(3), List.of(3));
    }
}

package dev.grft.spark.tables;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import org.junit.jupiter.api.Test;

class RowRanksTest {
    @Test
    void aKeyGivesItsRanksInTurnAndThenNoMore() {
        RowRanks.Builder builder = new RowRanks.Builder();
        builder.add(7, 30, 2);
        builder.add(-5, 10, 1);
        builder.add(7, 20, 1);
        RowRanks ranks = builder.ranks();
        BitSet taken = new BitSet();

        int first = ranks.take(7, taken);
        int second = ranks.take(7, taken);

        assertThat(ranks.rank(first)).isEqualTo(20);
        assertThat(ranks.number(first)).isEqualTo(1);
        assertThat(ranks.rank(second)).isEqualTo(30);
        assertThat(ranks.number(second)).isEqualTo(2);
        assertThat(ranks.take(7, taken)).isEqualTo(-1);
        assertThat(ranks.take(8, taken)).isEqualTo(-1);
        assertThat(ranks.take(-6, taken)).isEqualTo(-1);
        assertThat(ranks.rank(ranks.take(-5, taken))).isEqualTo(10);
    }

    @Test
    void thereIsOneObjectForNoRows() {
        RowRanks none = new RowRanks.Builder().ranks();

        assertThat(none.take(0, new BitSet())).isEqualTo(-1);
        assertThat(none).isSameAs(new RowRanks.Builder().ranks());
    }

    /** The first 64 bits of the SHA-256 of "abc", see FIPS 180-4. */
    @Test
    void aKeyIsTheBeginningOfTheDigest() {
        assertThat(RowRanks.key("abc")).isEqualTo(0xba7816bf8f01cfeaL);
    }
}

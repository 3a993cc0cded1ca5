package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.verbs.OnSpark;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OrderedTreeTest extends OnSpark {
    /** Returns a partition for each number, with its text in it; the first one is the last to end. */
    private static JavaRDD<String> parts(int count) {
        List<Integer> numbers = IntStream.range(0, count).boxed().toList();
        return context.parallelize(numbers, count).map(number -> {
            if (number == 0) {
                Thread.sleep(200);
            }
            return number + " ";
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 16, 17, 40})
    void partsArePutTogetherInTheOrderOfTheirPartitions(int count) {
        String inOrder =
                IntStream.range(0, count).mapToObj(number -> number + " ").collect(Collectors.joining());

        assertThat(OrderedTree.reduce(parts(count), String::concat)).isEqualTo(inOrder);
    }

    @ParameterizedTest
    @ValueSource(ints = {5, 40})
    void emptyPartitionsCountForNothing(int count) {
        List<String> inOrder = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            if (number % 3 == 1) {
                inOrder.add(number + " ");
            }
        }

        JavaRDD<String> some = parts(count).filter(text -> Integer.parseInt(text.strip()) % 3 == 1);

        assertThat(some.getNumPartitions()).isEqualTo(count);
        assertThat(OrderedTree.reduce(some, String::concat)).isEqualTo(String.join("", inOrder));
    }

    @Test
    void aSumOfNumbersOfVeryDifferentSizesIsTheSameAsInALoop() {
        List<Double> numbers = new ArrayList<>();
        double sum = 0;
        for (int i = 0; i < 40; i++) {
            double number = Math.pow(-7, i % 13) / 3;
            numbers.add(number);
            sum += number;
        }
        JavaRDD<Double> few =
                JavaSparkContext.fromSparkContext(spark.sparkContext()).parallelize(numbers.subList(0, 16), 16);

        double ofFew = 0;
        for (double number : numbers.subList(0, 16)) {
            ofFew += number;
        }
        assertThat(OrderedTree.reduce(few, Double::sum)).isEqualTo(ofFew);
        JavaRDD<Double> many =
                JavaSparkContext.fromSparkContext(spark.sparkContext()).parallelize(numbers, 40);
        double once = OrderedTree.reduce(many, Double::sum);
        assertThat(once).isCloseTo(sum, org.assertj.core.api.Assertions.within(1e-9 * Math.pow(7, 12)));
        assertThat(OrderedTree.reduce(many, Double::sum)).isEqualTo(once);
    }
}

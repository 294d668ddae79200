import java.time.Duration;
import java.util.*;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.Topology;

/**
 * `Words DIRECTORY PROTOCOL`, for the endurance run: two writers, and the word count in two instances, one of which comes and goes. Topics,
 * users and the application are named after the protocol. Ends when there is an output for each word that was put in.
 */
final class Words {
  private static final int PARTITIONS = 3;
  private static final int WORDS_OF_A_LINE = 3;
  private static Place place;
  private static String protocol;
  private static volatile boolean drained;

  public static void main(String[] arguments) throws Exception {
    place = new Place(arguments[0]);
    protocol = arguments[1];
    CountDownLatch writers = new CountDownLatch(2);
    for (String name : List.of("a", "b"))
      place.spawn(name, () -> {
        place.write("lines-writer-" + protocol, "lines-" + protocol, name, 100);
        writers.countDown();
      });
    place.spawn("app-0", () -> run(Long.MAX_VALUE));
    place.spawn("app-1", () -> {
      // Once there is no more input the other works off the rest undisturbed.
      while (!place.stopping()) {
        run(20_000);
        for (int i = 0; i < 50 && !place.stopping(); i++) Thread.sleep(100);
      }
    });
    place.spawn("auditor", () -> audit(writers));
    place.join();
    place.tell("done");
    Runtime.getRuntime().halt(0);
  }

  /** The verdict computes the same words. */
  static List<String> words(String line) {
    String[] parts = line.split("-");
    return List.of("all", parts[0], "w" + Integer.parseInt(parts[1]) % 37);
  }

  private static void run(long forMs) throws Exception {
    Topology topology = Apps.wordCount("lines-" + protocol, "counts-" + protocol, Words::words);
    Properties config = Apps.config("words-" + protocol, place.login("words-" + protocol), "group.protocol", protocol);
    long began = System.currentTimeMillis();
    Apps.Instance instance = new Apps.Instance(topology, config);
    try {
      while (!drained && System.currentTimeMillis() - began < forMs) Thread.sleep(100);
    } finally {
      instance.close();
      place.tell("instance", instance.replaced.get());
    }
  }

  /** Reads what is committed of the output until it is as much as the input has words. */
  private static void audit(CountDownLatch writers) throws Exception {
    List<TopicPartition> outputs = new ArrayList<>(), inputs = new ArrayList<>();
    for (int i = 0; i < PARTITIONS; i++) {
      outputs.add(new TopicPartition("counts-" + protocol, i));
      inputs.add(new TopicPartition("lines-" + protocol, i));
    }
    try (KafkaConsumer<String, String> consumer = place.consumer("auditor", "isolation.level", "read_committed", "auto.offset.reset", "earliest")) {
      consumer.assign(outputs);
      for (long seen = 0; !drained; ) {
        boolean all = writers.getCount() == 0;
        seen += consumer.poll(Duration.ofMillis(300)).count();
        if (!all) continue;
        try {
          // The input is idempotent, not transactional: an offset is a line.
          drained = seen >= WORDS_OF_A_LINE * consumer.endOffsets(inputs).values().stream().mapToLong(Long::longValue).sum();
        } catch (org.apache.kafka.common.errors.TimeoutException e) {
          place.tell("away", "auditor");
        }
      }
    }
  }
}

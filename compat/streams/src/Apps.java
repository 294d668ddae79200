import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.*;

/** The applications under test, and how they run: exactly_once_v2, nothing cached, so that each update of a state comes out. */
final class Apps {
  static final String COUNTS = "counts";
  static final Duration WINDOW = Duration.ofSeconds(10);

  /** Each word of each line counts; what comes out for a word is `word=1`, `word=2` … */
  static Topology wordCount(String input, String output, ValueMapper<String, List<String>> words) {
    StreamsBuilder builder = new StreamsBuilder();
    builder.<String, String>stream(input)
        .flatMapValues(words)
        .groupBy((key, word) -> word, Grouped.as("words"))
        .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as(COUNTS).withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
        .toStream().mapValues((word, count) -> word + "=" + count).to(output);
    return builder.build();
  }

  /** A left and a right of one key that are at most WINDOW apart come out as `left+right`. */
  static Topology join(String left, String right, String output) {
    StreamsBuilder builder = new StreamsBuilder();
    JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(WINDOW, Duration.ofDays(1));
    builder.<String, String>stream(left)
        .join(builder.<String, String>stream(right), (a, b) -> a + "+" + b, windows, StreamJoined.<String, String, String>as("join").withKeySerde(Serdes.String()).withValueSerde(Serdes.String()).withOtherValueSerde(Serdes.String()))
        .to(output);
    return builder.build();
  }

  static Properties config(String application, Properties connection, String... pairs) {
    Properties all = new Properties();
    all.putAll(connection);
    all.put("application.id", application);
    all.put("processing.guarantee", "exactly_once_v2");
    all.put("commit.interval.ms", "100");
    all.put("repartition.purge.interval.ms", "1000");
    all.put("statestore.cache.max.bytes", "0");
    all.put("default.key.serde", Serdes.StringSerde.class.getName());
    all.put("default.value.serde", Serdes.StringSerde.class.getName());
    for (int i = 0; i < pairs.length; i += 2) all.put(pairs[i], pairs[i + 1]);
    return all;
  }

  /** One running application with a state directory of its own, which whoever started the program removes at its end. */
  static final class Instance implements AutoCloseable, StateRestoreListener {
    final KafkaStreams streams;
    /** Records that were read from changelogs into active tasks. */
    final AtomicLong restored = new AtomicLong();
    /** Threads that were replaced, which an application asks for when it wants to go on. */
    final AtomicLong replaced = new AtomicLong();

    Instance(Topology topology, Properties config) throws Exception {
      config.put("state.dir", Files.createTempDirectory("streams-").toString());
      streams = new KafkaStreams(topology, config);
      streams.setGlobalStateRestoreListener(this);
      streams.setUncaughtExceptionHandler(e -> {
        replaced.incrementAndGet();
        return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.REPLACE_THREAD;
      });
      streams.start();
    }

    @Override public void onRestoreStart(TopicPartition partition, String store, long start, long end) {}
    @Override public void onBatchRestored(TopicPartition partition, String store, long end, long count) { restored.addAndGet(count); }
    @Override public void onRestoreEnd(TopicPartition partition, String store, long total) {}

    long activeTasks() { return streams.metadataForLocalThreads().stream().mapToLong(each -> each.activeTasks().size()).sum(); }
    long standbyTasks() { return streams.metadataForLocalThreads().stream().mapToLong(each -> each.standbyTasks().size()).sum(); }
    boolean running() { return streams.state() == KafkaStreams.State.RUNNING; }

    /** Of the active tasks; null while tasks move, when nobody may look. */
    Map<String, Long> counts() { return counts(StoreQueryParameters.fromNameAndType(COUNTS, QueryableStoreTypes.keyValueStore())); }

    /** The same of active and standby tasks together. */
    Map<String, Long> countsWithStandbys() { return counts(StoreQueryParameters.fromNameAndType(COUNTS, QueryableStoreTypes.<String, Long>keyValueStore()).enableStaleStores()); }

    private Map<String, Long> counts(StoreQueryParameters<ReadOnlyKeyValueStore<String, Long>> query) {
      Map<String, Long> all = new TreeMap<>();
      try (KeyValueIterator<String, Long> each = streams.store(query).all()) {
        each.forEachRemaining(entry -> all.put(entry.key, entry.value));
        return all;
      } catch (org.apache.kafka.streams.errors.InvalidStateStoreException e) {
        return null;
      }
    }

    /**
     * Leaves the group, so that nobody waits for its session to end. It closes only when no rebalance is under way. If a member's request to leave got
     * lost, a rebalance waits until its session of 45 s has ended, and each restart of the broker begins the session anew.
     */
    @Override public void close() throws Exception {
      boolean closed = streams.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP).withTimeout(Duration.ofSeconds(180)));
      if (closed) return;
      Thread.getAllStackTraces().forEach((thread, stack) -> {
        if (!thread.getName().contains("StreamThread")) return;
        System.err.println(thread.getName() + " is at");
        for (StackTraceElement each : stack) System.err.println("\tat " + each);
      });
      throw new AssertionError("an instance did not close within 180 s");
    }
  }
}

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;

/** Idempotent producers write to `ledger`; the group `readers` of the new protocol reads it and commits; an auditor watches its offsets. */
final class Ledger {
  private static Place place;
  private static volatile boolean drained;

  public static void main(String[] arguments) throws Exception {
    place = new Place(arguments[0]);
    CountDownLatch writers = new CountDownLatch(2);
    for (String name : List.of("a", "b"))
      place.spawn(name, () -> {
        place.write("ledger-writer", "ledger", name, 200);
        writers.countDown();
      });
    place.spawn("reader-0", () -> { while (!drained) read("reader-0", Integer.MAX_VALUE); });
    // This one leaves and comes back: partitions move while the broker comes and goes.
    place.spawn("reader-1", () -> { while (!drained) read("reader-1", 8000); });
    place.spawn("auditor", () -> audit(writers));
    place.join();
    place.tell("done");
    Runtime.getRuntime().halt(0);
  }

  private static void read(String who, long forMs) throws Exception {
    long end = System.currentTimeMillis() + forMs;
    try (KafkaConsumer<String, String> consumer = place.consumer("ledger-reader", "group.id", "readers", "group.protocol", "consumer",
        "enable.auto.commit", "false", "auto.offset.reset", "earliest", "max.poll.records", "100", "client.id", who)) {
      consumer.subscribe(List.of("ledger"), new ConsumerRebalanceListener() {
        @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) { place.tell("assigned", who, partitions); }
        // Without it the client gives partitions up in the background, with records of them still in our hands.
        @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) { place.tell("revoked", who, partitions); }
        @Override public void onPartitionsLost(Collection<TopicPartition> partitions) { place.tell("lost", who, partitions); }
      });
      while (!drained && System.currentTimeMillis() < end) {
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
        for (ConsumerRecord<String, String> each : records) place.tell("seen", each.partition(), each.offset(), each.value());
        if (records.isEmpty()) continue;
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (TopicPartition each : records.partitions()) {
          List<ConsumerRecord<String, String>> some = records.records(each);
          offsets.put(each, new OffsetAndMetadata(some.get(some.size() - 1).offset() + 1));
        }
        try {
          consumer.commitSync(offsets);
          offsets.forEach((partition, offset) -> place.tell("committed", partition.partition(), offset.offset()));
        } catch (CommitFailedException | RetriableException e) {
          place.tell("uncommitted", who, e.getClass().getSimpleName());
        }
      }
    }
  }

  /** Asks for committed offsets all the time, and ends it all when they have reached the end. */
  private static void audit(CountDownLatch writers) throws Exception {
    try (Admin admin = place.admin("auditor")) {
      while (!drained) {
        Thread.sleep(200);
        try {
          boolean all = writers.getCount() == 0;
          Map<TopicPartition, Long> ends = Place.ends(admin, "ledger");
          place.tell("observing");
          Map<TopicPartition, OffsetAndMetadata> offsets = Place.get(admin.listConsumerGroupOffsets("readers").partitionsToOffsetAndMetadata());
          offsets.forEach((partition, offset) -> place.tell("observed", partition.partition(), offset.offset()));
          for (var each : ends.entrySet()) all &= offsets.containsKey(each.getKey()) && offsets.get(each.getKey()).offset() == each.getValue();
          drained = all;
        } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
          // The group comes to be with its first member.
          if (!Place.away(e) && !(e.getCause() instanceof GroupIdNotFoundException)) throw e;
        }
      }
    }
  }
}

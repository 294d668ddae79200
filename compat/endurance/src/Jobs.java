import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.StringDeserializer;

/** The share group `workers` works off `jobs`: each record is accepted, released once in a while, or rejected; one worker comes and goes. */
final class Jobs {
  private static Place place;
  private static volatile boolean drained;

  public static void main(String[] arguments) throws Exception {
    place = new Place(arguments[0]);
    CountDownLatch writers = new CountDownLatch(1);
    place.spawn("job", () -> {
      place.write("jobs-writer", "jobs", "job", 200);
      writers.countDown();
    });
    for (int i = 0; i < 2; i++) {
      int worker = i;
      place.spawn("worker-" + i, () -> {
        Random random = new Random(Place.SEED + worker);
        while (!drained) work("worker-" + worker, random, worker == 0 ? Integer.MAX_VALUE : 8000);
      });
    }
    place.spawn("auditor", () -> audit(writers));
    place.join();
    place.tell("done");
    Runtime.getRuntime().halt(0);
  }

  private static void work(String who, Random random, long forMs) throws Exception {
    long end = System.currentTimeMillis() + forMs;
    Properties login = place.login("jobs-worker", "group.id", "workers", "share.acknowledgement.mode", "explicit", "client.id", who, "max.poll.records", "50");
    try (KafkaShareConsumer<String, String> consumer = new KafkaShareConsumer<>(login, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of("jobs"));
      while (!drained) {
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
        for (ConsumerRecord<String, String> each : records) place.tell("delivered", each.partition(), each.offset(), each.value(), each.deliveryCount().get());
        // It goes with records in its hands: others get them.
        if (System.currentTimeMillis() > end) return;
        if (!records.isEmpty()) acknowledge(consumer, records, random);
      }
    }
  }

  private static void acknowledge(KafkaShareConsumer<String, String> consumer, ConsumerRecords<String, String> records, Random random) {
    Map<Integer, Map<Long, AcknowledgeType>> asked = new HashMap<>();
    for (ConsumerRecord<String, String> each : records) {
      int chance = random.nextInt(100);
      // Released at most once, so that the delivery count limit is never what ends a record.
      AcknowledgeType type = chance < 6 && each.deliveryCount().get() == 1 ? AcknowledgeType.RELEASE : chance < 8 ? AcknowledgeType.REJECT : AcknowledgeType.ACCEPT;
      consumer.acknowledge(each, type);
      place.tell("asked", each.partition(), each.offset(), type.name());
      asked.computeIfAbsent(each.partition(), any -> new TreeMap<>()).put(each.offset(), type);
    }
    consumer.commitSync(Duration.ofSeconds(30)).forEach((partition, failure) -> {
      if (failure.isPresent()) place.tell("refused", partition.partition(), failure.get().getClass().getSimpleName(), failure.get().getMessage());
      else asked.getOrDefault(partition.partition(), Map.of()).forEach((offset, type) -> place.tell("confirmed", partition.partition(), offset, type.name()));
    });
  }

  /** Until nothing is left: every record is accepted or rejected. */
  private static void audit(CountDownLatch writers) throws Exception {
    try (Admin admin = place.admin("auditor")) {
      while (!drained) {
        Thread.sleep(300);
        if (writers.getCount() > 0) continue;
        try {
          Map<TopicPartition, Long> ends = Place.ends(admin, "jobs");
          Map<TopicPartition, SharePartitionOffsetInfo> starts = Place.get(admin.listShareGroupOffsets(Map.of("workers", new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo("workers"));
          boolean all = true;
          for (var each : ends.entrySet()) all &= starts.get(each.getKey()) != null && starts.get(each.getKey()).lag().equals(Optional.of(0L));
          drained = all;
        } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
          if (!Place.away(e)) throw e;
        }
      }
    }
  }
}

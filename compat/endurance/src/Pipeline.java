import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;

/**
 * Exactly once from `orders` to `invoices`: two instances of a consume–transform–produce loop, written as Kafka's own examples are. One
 * of them dies now and then with a transaction open; what died comes back as a zombie and must be refused.
 */
final class Pipeline {
  private static Place place;
  private static volatile boolean drained;
  /** Orders without an invoice, as the auditor last saw them. */
  private static volatile long left;
  /** A machine that is too busy for this many gets fewer orders, so that it can end in time. */
  private static final long MOST_LEFT = 5000;

  public static void main(String[] arguments) throws Exception {
    place = new Place(arguments[0]);
    CountDownLatch writers = new CountDownLatch(1);
    place.spawn("order", () -> {
      place.write("orders-writer", "orders", "order", () -> left > MOST_LEFT ? 30 : 300);
      writers.countDown();
    });
    for (int i = 0; i < 2; i++) {
      int instance = i;
      place.spawn("instance-" + i, () -> {
        Random random = new Random(Place.SEED + instance);
        while (!drained) {
          try {
            run(instance, random);
          } catch (AuthenticationException | AuthorizationException e) {
            throw e;
          } catch (KafkaException e) {
            // What was begun is not committed and not to be repeated by this producer: the next one takes over from the committed offsets.
            place.tell("restarted", instance, e.getClass().getSimpleName(), e.getMessage());
          }
        }
      });
    }
    place.spawn("auditor", () -> audit(writers));
    place.join();
    place.tell("done");
    Runtime.getRuntime().halt(0);
  }

  private static KafkaProducer<String, String> producer(int instance) throws Exception {
    return place.producer("pipeline", "transactional.id", "pipeline-" + instance, "transaction.timeout.ms", "10000", "linger.ms", "2", "request.timeout.ms", "10000",
        "delivery.timeout.ms", "60000", "max.block.ms", "60000");
  }

  private static void run(int instance, Random random) throws Exception {
    long end = instance == 0 ? Long.MAX_VALUE : System.currentTimeMillis() + 6000 + random.nextInt(6000);
    KafkaProducer<String, String> producer = producer(instance);
    boolean zombie = false;
    try (KafkaConsumer<String, String> consumer = place.consumer("pipeline", "group.id", "pipeline", "group.protocol", "consumer", "isolation.level", "read_committed",
        "enable.auto.commit", "false", "auto.offset.reset", "earliest", "max.poll.records", "60")) {
      producer.initTransactions();
      consumer.subscribe(List.of("orders"), new ConsumerRebalanceListener() {
        @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) { }
        @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) { }
      });
      while (!drained) {
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(100));
        if (records.isEmpty()) continue;
        begin(producer, consumer, records);
        if (System.currentTimeMillis() > end) {
          zombie = true;
          break;
        }
        if (random.nextInt(25) == 0) {
          producer.abortTransaction();
          rewind(consumer, records);
          place.tell("aborted", instance);
        } else {
          commit(producer);
          place.tell("committed", instance, records.count());
        }
      }
    } catch (Throwable e) {
      producer.close(Duration.ZERO);
      throw e;
    }
    if (zombie) comeBack(instance, producer);
    producer.close(Duration.ZERO);
  }

  private static void begin(KafkaProducer<String, String> producer, KafkaConsumer<String, String> consumer, ConsumerRecords<String, String> records) {
    producer.beginTransaction();
    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
    for (ConsumerRecord<String, String> each : records) {
      producer.send(new ProducerRecord<>("invoices", each.partition(), each.key(), each.value()));
      offsets.put(new TopicPartition(each.topic(), each.partition()), new OffsetAndMetadata(each.offset() + 1));
    }
    producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
  }

  /** Not knowing whether it was committed is the one thing that has to be asked again. */
  private static void commit(KafkaProducer<String, String> producer) {
    for (;;) {
      try {
        producer.commitTransaction();
        return;
      } catch (org.apache.kafka.common.errors.TimeoutException | InterruptException e) {
        place.tell("commit-again", e.getClass().getSimpleName());
      }
    }
  }

  private static void rewind(KafkaConsumer<String, String> consumer, ConsumerRecords<String, String> records) {
    for (TopicPartition each : records.partitions()) if (consumer.assignment().contains(each)) consumer.seek(each, records.records(each).get(0).offset());
  }

  /** Its successor begins, and then the dead one tries to commit. */
  private static void comeBack(int instance, KafkaProducer<String, String> dead) throws Exception {
    try (KafkaProducer<String, String> successor = producer(instance)) {
      successor.initTransactions();
    }
    try {
      dead.commitTransaction();
      place.broken("zombie", new AssertionError("a zombie was let commit"));
    } catch (KafkaException e) {
      place.tell("zombie", instance, e.getClass().getSimpleName());
    }
  }

  /** Also counts every ten seconds what is left, so that a pipeline that is too slow does not look like one that is stuck. */
  private static void audit(CountDownLatch writers) throws Exception {
    long told = System.currentTimeMillis();
    try (Admin admin = place.admin("auditor")) {
      while (!drained) {
        Thread.sleep(300);
        boolean due = System.currentTimeMillis() - told >= 10_000;
        if (writers.getCount() > 0 && !due) continue;
        try {
          Map<TopicPartition, Long> ends = Place.ends(admin, "orders");
          // With `requireStable` the admin client leaves out partitions with a pending transaction.
          ListConsumerGroupOffsetsOptions options = new ListConsumerGroupOffsetsOptions().requireStable(!due);
          Map<TopicPartition, OffsetAndMetadata> offsets = Place.get(admin.listConsumerGroupOffsets("pipeline", options).partitionsToOffsetAndMetadata());
          long sum = 0;
          for (var each : ends.entrySet()) sum += each.getValue() - (offsets.containsKey(each.getKey()) ? offsets.get(each.getKey()).offset() : 0);
          if (due) {
            left = sum;
            place.tell("left", sum);
            told = System.currentTimeMillis();
          } else drained = sum == 0;
        } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
          if (!Place.away(e)) throw e;
        }
      }
    }
  }
}

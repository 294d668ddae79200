import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;

/** Since 0.10.1: timestamps and how to find them. */
final class Times {
  static void all() throws Exception {
    Kit.check("time-lookup", Times::timeLookup);
  }

  static void timeLookup() throws Exception {
    String topic = Kit.unique("topic");
    TopicPartition partition = new TopicPartition(topic, 0);
    KafkaProducer<String, String> producer = Kit.producer("linger.ms", "50");
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    for (int i = 0; i < 100; i++) sent.add(producer.send(new ProducerRecord<>(topic, 0, Kit.HOUR_AGO + i * 10, "k", "v")));
    for (Future<RecordMetadata> each : sent) each.get(20, TimeUnit.SECONDS);
    producer.close();
    KafkaConsumer<String, String> consumer = Kit.consumer(Kit.unique("group"));
    Kit.equal(consumer.beginningOffsets(Collections.singletonList(partition)).get(partition), 0L);
    Kit.equal(consumer.endOffsets(Collections.singletonList(partition)).get(partition), 100L);
    OffsetAndTimestamp found = consumer.offsetsForTimes(Collections.singletonMap(partition, Kit.HOUR_AGO + 405)).get(partition);
    Kit.equal(found.offset(), 41L);
    Kit.equal(found.timestamp(), Kit.HOUR_AGO + 410);
    Kit.equal(consumer.offsetsForTimes(Collections.singletonMap(partition, Kit.HOUR_AGO + 10_000_000L)).get(partition), null);
    consumer.close();
  }
}

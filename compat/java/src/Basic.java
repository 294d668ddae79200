import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordTooLargeException;

/** What every client since 0.9 can do. It has no admin client: topics come to be because somebody asks for them. */
final class Basic {
  static void all(boolean zstd) throws Exception {
    for (String codec : Arrays.asList("none", "gzip", "snappy", "lz4", "zstd"))
      if (zstd || !codec.equals("zstd")) Kit.check(codec.equals("none") ? "roundtrip" : codec, () -> roundTrip(codec));
    Kit.check("acks", Basic::acks);
    Kit.check("big-record", Basic::bigRecord);
    Kit.check("too-big-record", Basic::tooBigRecord);
    Kit.check("group-rebalance", Basic::groupRebalance);
    Kit.check("commit-resume", Basic::commitResume);
    Kit.check("seek", Basic::seek);
    Kit.check("metadata", Basic::metadata);
  }

  static void roundTrip(String codec) throws Exception {
    String topic = Kit.unique("topic");
    Kit.send(topic, null, 300, "compression.type", codec, "linger.ms", "5");
    Set<String> values = new HashSet<>();
    for (ConsumerRecord<String, String> each : Kit.readTopic(topic, 300)) {
      Kit.equal(each.key(), "k" + each.value());
      values.add(each.value());
    }
    Kit.equal(values.size(), 300);
  }

  static void acks() throws Exception {
    String topic = Kit.unique("topic");
    for (String acks : Arrays.asList("1", "all", "0")) Kit.send(topic, 0, 1, "acks", acks);
    Kit.readTopic(topic, 3);
  }

  static void bigRecord() throws Exception {
    String topic = Kit.unique("topic"), value = Kit.repeated(1_040_000);
    KafkaProducer<String, String> producer = Kit.producer("max.request.size", "2000000");
    producer.send(new ProducerRecord<>(topic, "k", value)).get(20, TimeUnit.SECONDS);
    producer.close();
    Kit.equal(Kit.readTopic(topic, 1).get(0).value().length(), value.length());
  }

  static void tooBigRecord() throws Exception {
    KafkaProducer<String, String> producer = Kit.producer("max.request.size", "2000000");
    try {
      producer.send(new ProducerRecord<>(Kit.unique("topic"), "k", Kit.repeated(1_049_000))).get(20, TimeUnit.SECONDS);
      throw new AssertionError("it was accepted");
    } catch (ExecutionException e) {
      Kit.isTrue(e.getCause() instanceof RecordTooLargeException, String.valueOf(e.getCause()));
    }
    producer.close();
  }

  /** One member of a group in a thread of its own. */
  static final class Member extends Thread {
    volatile Set<TopicPartition> assigned = Collections.emptySet();
    volatile boolean leave;
    volatile Throwable failure;
    private final String topic, group;

    Member(String topic, String group) {
      this.topic = topic;
      this.group = group;
      setDaemon(true);
      start();
    }

    @Override public void run() {
      try {
        KafkaConsumer<String, String> consumer = Kit.consumer(group, "session.timeout.ms", "10000", "heartbeat.interval.ms", "300");
        consumer.subscribe(Collections.singletonList(topic));
        while (!leave) {
          Kit.poll(consumer);
          assigned = new HashSet<>(consumer.assignment());
        }
        consumer.close();
      } catch (Throwable e) {
        failure = e;
      }
    }
  }

  static void groupRebalance() throws Exception {
    String topic = Kit.unique("topic"), group = Kit.unique("group");
    Kit.send(topic, 0, 1);
    KafkaConsumer<String, String> asking = Kit.consumer(group);
    int partitions = asking.partitionsFor(topic).size();
    asking.close();
    Kit.isTrue(partitions > 1, "the broker makes topics of one partition: nothing to share");
    Member one = new Member(topic, group);
    Kit.until("one member has all", () -> one.assigned.size() == partitions);
    Member two = new Member(topic, group);
    Kit.until("two members share; " + one.failure + two.failure, () -> {
      Set<TopicPartition> both = new HashSet<>(one.assigned);
      both.addAll(two.assigned);
      return both.size() == partitions && one.assigned.size() == partitions / 2;
    });
    one.leave = true;
    Kit.until("the one left has all", () -> two.assigned.size() == partitions);
    two.leave = true;
    two.join(10_000);
    Kit.equal(one.failure, null);
    Kit.equal(two.failure, null);
  }

  static void commitResume() throws Exception {
    String topic = Kit.unique("topic"), group = Kit.unique("group");
    Kit.send(topic, 0, 20);
    KafkaConsumer<String, String> consumer = Kit.consumer(group);
    consumer.subscribe(Collections.singletonList(topic));
    Kit.read(consumer, 20);
    consumer.commitSync(Collections.singletonMap(new TopicPartition(topic, 0), new OffsetAndMetadata(12, "note")));
    consumer.close();
    consumer = Kit.consumer(group);
    consumer.subscribe(Collections.singletonList(topic));
    Kit.equal(Kit.read(consumer, 8).get(0).offset(), 12L);
    consumer.close();
  }

  static void seek() throws Exception {
    String topic = Kit.unique("topic");
    Kit.send(topic, 0, 50);
    TopicPartition partition = new TopicPartition(topic, 0);
    KafkaConsumer<String, String> consumer = Kit.consumer(Kit.unique("group"));
    consumer.assign(Collections.singletonList(partition));
    consumer.seek(partition, 45);
    Kit.equal(Kit.read(consumer, 5).get(0).value(), "45");
    Kit.equal(consumer.position(partition), 50L);
    consumer.close();
  }

  static void metadata() throws Exception {
    String topic = Kit.unique("topic");
    Kit.send(topic, 0, 1);
    KafkaConsumer<String, String> consumer = Kit.consumer(Kit.unique("group"));
    Kit.isTrue(consumer.listTopics().containsKey(topic), "the topic is not listed");
    Kit.isTrue(consumer.partitionsFor(topic).get(0).leader() != null, "partition 0 has no leader");
    consumer.close();
  }
}

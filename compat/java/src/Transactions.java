import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;

/** Since 0.11: transactions. */
final class Transactions {
  static void all() throws Exception {
    Kit.check("txn-commit", Transactions::commit);
    Kit.check("txn-abort", Transactions::abort);
    Kit.check("txn-offsets", Transactions::offsets);
    Kit.check("txn-fencing", Transactions::fencing);
    Kit.check("txn-timeout", Transactions::timeout);
  }

  static KafkaProducer<String, String> begin(String id, String... pairs) {
    String[] all = Arrays.copyOf(pairs, pairs.length + 2);
    all[pairs.length] = "transactional.id";
    all[pairs.length + 1] = id;
    KafkaProducer<String, String> producer = Kit.producer(all);
    producer.initTransactions();
    producer.beginTransaction();
    return producer;
  }

  static KafkaConsumer<String, String> reader(String topic, String isolation) {
    KafkaConsumer<String, String> consumer = Kit.consumer(Kit.unique("group"), "isolation.level", isolation);
    List<TopicPartition> partitions = new ArrayList<>();
    for (PartitionInfo each : consumer.partitionsFor(topic)) partitions.add(new TopicPartition(topic, each.partition()));
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    return consumer;
  }

  static Set<String> values(Collection<ConsumerRecord<String, String>> records) {
    Set<String> values = new TreeSet<>();
    for (ConsumerRecord<String, String> each : records) values.add(each.value());
    return values;
  }

  static Set<String> set(String... values) { return new TreeSet<>(Arrays.asList(values)); }

  /** What such a consumer sees, once what comes last is there. */
  static Set<String> visible(String topic, String isolation, String last) throws Exception {
    List<ConsumerRecord<String, String>> got = new ArrayList<>();
    KafkaConsumer<String, String> consumer = reader(topic, isolation);
    Kit.until(last + " in " + got, () -> {
      for (ConsumerRecord<String, String> each : Kit.poll(consumer)) got.add(each);
      return values(got).contains(last);
    });
    consumer.close();
    Kit.equal(got.size(), values(got).size());
    return values(got);
  }

  static void commit() throws Exception {
    String topic = Modern.create(2);
    KafkaProducer<String, String> producer = begin(Kit.unique("id"));
    for (int i = 0; i < 4; i++) producer.send(new ProducerRecord<>(topic, i % 2, "k", "" + i));
    producer.flush();
    KafkaConsumer<String, String> uncommitted = reader(topic, "read_uncommitted"), committed = reader(topic, "read_committed");
    Kit.equal(values(Kit.read(uncommitted, 4)), set("0", "1", "2", "3"));
    for (int i = 0; i < 5; i++) Kit.equal(Kit.poll(committed).count(), 0);
    TopicPartition zero = new TopicPartition(topic, 0);
    Kit.equal(committed.endOffsets(Collections.singleton(zero)).get(zero), 0L);
    Kit.equal(uncommitted.endOffsets(Collections.singleton(zero)).get(zero), 2L);
    producer.commitTransaction();
    Kit.equal(values(Kit.read(committed, 4)), set("0", "1", "2", "3"));
    // Two records and the mark.
    Kit.equal(committed.endOffsets(Collections.singleton(zero)).get(zero), 3L);
    producer.beginTransaction();
    producer.send(new ProducerRecord<>(topic, 0, "k", "again"));
    producer.commitTransaction();
    Kit.equal(Kit.read(committed, 1).get(0).value(), "again");
    producer.close();
    uncommitted.close();
    committed.close();
  }

  static void abort() throws Exception {
    String topic = Modern.create(1);
    KafkaProducer<String, String> producer = begin(Kit.unique("id"), "batch.size", "100");
    for (int i = 0; i < 20; i++) producer.send(new ProducerRecord<>(topic, 0, "k", "gone" + i));
    producer.flush();
    producer.abortTransaction();
    producer.beginTransaction();
    producer.send(new ProducerRecord<>(topic, 0, "k", "kept"));
    producer.commitTransaction();
    Kit.equal(visible(topic, "read_committed", "kept"), set("kept"));
    Kit.equal(visible(topic, "read_uncommitted", "kept").size(), 21);
    producer.close();
  }

  /** The clients since 2.5 want the group's metadata, those before its name. */
  static void sendOffsets(KafkaProducer<String, String> producer, Map<TopicPartition, OffsetAndMetadata> offsets, KafkaConsumer<String, String> consumer, String group) throws Exception {
    try {
      Object metadata = KafkaConsumer.class.getMethod("groupMetadata").invoke(consumer);
      KafkaProducer.class.getMethod("sendOffsetsToTransaction", Map.class, Class.forName("org.apache.kafka.clients.consumer.ConsumerGroupMetadata")).invoke(producer, offsets, metadata);
    } catch (NoSuchMethodException e) {
      KafkaProducer.class.getMethod("sendOffsetsToTransaction", Map.class, String.class).invoke(producer, offsets, group);
    }
  }

  static void offsets() throws Exception {
    String from = Modern.create(1), to = Modern.create(1), group = Kit.unique("group");
    TopicPartition zero = new TopicPartition(from, 0);
    Kit.send(from, 0, 10);
    KafkaConsumer<String, String> consumer = Kit.consumer(group, "isolation.level", "read_committed");
    consumer.subscribe(Collections.singletonList(from));
    Kit.read(consumer, 10);
    KafkaProducer<String, String> producer = begin(Kit.unique("id"));
    producer.send(new ProducerRecord<>(to, 0, "k", "aborted"));
    sendOffsets(producer, Collections.singletonMap(zero, new OffsetAndMetadata(4)), consumer, group);
    producer.abortTransaction();
    Kit.equal(Kit.committed(consumer, zero), null);
    producer.beginTransaction();
    producer.send(new ProducerRecord<>(to, 0, "k", "committed"));
    sendOffsets(producer, Collections.singletonMap(zero, new OffsetAndMetadata(7, "note")), consumer, group);
    producer.commitTransaction();
    Kit.until("offset 7 is committed", () -> Kit.committed(consumer, zero) != null && Kit.committed(consumer, zero).offset() == 7);
    Kit.equal(Kit.committed(consumer, zero).metadata(), "note");
    Kit.equal(visible(to, "read_committed", "committed"), set("committed"));
    producer.close();
    consumer.close();
    KafkaConsumer<String, String> next = Kit.consumer(group);
    next.subscribe(Collections.singletonList(from));
    Kit.equal(Kit.read(next, 3).get(0).offset(), 7L);
    next.close();
  }

  static void fencing() throws Exception {
    String topic = Modern.create(1), id = Kit.unique("id");
    KafkaProducer<String, String> zombie = begin(id);
    zombie.send(new ProducerRecord<>(topic, 0, "k", "of the zombie")).get(Modern.SECONDS, TimeUnit.SECONDS);
    KafkaProducer<String, String> successor = begin(id);
    successor.send(new ProducerRecord<>(topic, 0, "k", "of the successor"));
    successor.commitTransaction();
    fenced(zombie::commitTransaction);
    try { zombie.close(); } catch (KafkaException e) { }
    Kit.equal(visible(topic, "read_committed", "of the successor"), set("of the successor"));
    successor.beginTransaction();
    successor.send(new ProducerRecord<>(topic, 0, "k", "and on"));
    successor.commitTransaction();
    successor.close();
    Kit.equal(visible(topic, "read_committed", "and on").size(), 2);
  }

  private static String rootOf(KafkaException e) { return (e.getCause() instanceof ApiException ? e.getCause() : e).getClass().getSimpleName(); }

  static void fenced(Kit.Body body) throws Exception {
    try {
      body.run();
    } catch (KafkaException e) {
      // Another epoch is told by one error or the other, by the clients' age and by who notices first.
      Kit.isTrue(rootOf(e).matches("ProducerFencedException|InvalidProducerEpochException"), rootOf(e));
      return;
    }
    throw new AssertionError("it was let do it");
  }

  static void timeout() throws Exception {
    String topic = Modern.create(1);
    KafkaProducer<String, String> slow = begin(Kit.unique("id"), "transaction.timeout.ms", "1000");
    slow.send(new ProducerRecord<>(topic, 0, "k", "too slow")).get(Modern.SECONDS, TimeUnit.SECONDS);
    Kit.send(topic, 0, 1);
    // What comes later is seen only when the transaction before it has ended.
    Kit.equal(visible(topic, "read_committed", "0"), set("0"));
    try {
      slow.commitTransaction();
      throw new AssertionError("it was let commit");
    } catch (KafkaException e) {
      Kit.isTrue(rootOf(e).matches("ProducerFencedException|InvalidProducerEpochException|InvalidTxnStateException"), rootOf(e));
    }
    try { slow.close(); } catch (KafkaException e) { }
  }
}

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;

/** Since 3.7: the group protocol of KIP-848, and what admin clients do with transactions. */
final class Heartbeats {
  static void all() throws Exception {
    for (String assignor : List.of("uniform", "range")) Kit.check("consumer-protocol-" + assignor, () -> rebalance(assignor));
    Kit.check("consumer-protocol-resume", Heartbeats::resume);
    Kit.check("consumer-protocol-pattern", Heartbeats::pattern);
    Kit.check("consumer-protocol-static", Heartbeats::staticMember);
    Kit.check("consumer-protocol-upgrade", Heartbeats::upgrade);
    Kit.check("consumer-protocol-downgrade", Heartbeats::downgrade);
    Kit.check("consumer-protocol-describe", Heartbeats::describe);
    Kit.check("txn-admin", Heartbeats::transactions);
    Kit.check("txn-admin-abort", Heartbeats::abort);
  }

  static KafkaConsumer<String, String> consumer(String group, String... pairs) {
    String[] all = Arrays.copyOf(pairs, pairs.length + 2);
    all[pairs.length] = "group.protocol";
    all[pairs.length + 1] = "consumer";
    return Kit.consumer(group, all);
  }

  @SafeVarargs
  static void share(String what, int all, int each, KafkaConsumer<String, String>... consumers) throws Exception {
    Kit.until(what, () -> {
      Set<TopicPartition> together = new HashSet<>();
      boolean right = true;
      for (KafkaConsumer<String, String> consumer : consumers) {
        Kit.poll(consumer);
        right &= consumer.assignment().size() == each;
        together.addAll(consumer.assignment());
      }
      return right && together.size() == all;
    });
  }

  static void rebalance(String assignor) throws Exception {
    String topic = Modern.create(6), group = Kit.unique("group");
    KafkaConsumer<String, String> one = consumer(group, "group.remote.assignor", assignor), two = consumer(group, "group.remote.assignor", assignor), three = consumer(group);
    List<TopicPartition> kept = new ArrayList<>();
    one.subscribe(List.of(topic), new ConsumerRebalanceListener() {
      @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) { kept.addAll(partitions); }
      @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) { kept.removeAll(partitions); }
    });
    share("one has six", 6, 6, one);
    two.subscribe(List.of(topic));
    share("two have three each", 6, 3, one, two);
    if (assignor.equals("range")) {
      List<Integer> own = one.assignment().stream().map(TopicPartition::partition).sorted().toList();
      Kit.isTrue(own.equals(List.of(0, 1, 2)) || own.equals(List.of(3, 4, 5)), "range gave " + own);
    }
    three.subscribe(List.of(topic));
    share("three have two each", 6, 2, one, two, three);
    three.close();
    two.close();
    share("one has six again", 6, 6, one);
    // The listener may be called after the assignment is there.
    Kit.until("the listener was told all", () -> {
      Kit.poll(one);
      return new HashSet<>(kept).equals(one.assignment()) && kept.size() == 6;
    });
    one.close();
  }

  static void resume() throws Exception {
    String topic = Modern.create(1), group = Kit.unique("group");
    TopicPartition zero = new TopicPartition(topic, 0);
    Kit.send(topic, 0, 20);
    KafkaConsumer<String, String> consumer = consumer(group);
    consumer.subscribe(List.of(topic));
    Kit.read(consumer, 20);
    consumer.commitSync(Map.of(zero, new OffsetAndMetadata(12, "note")));
    consumer.commitSync(Map.of(zero, new OffsetAndMetadata(13, "note")));
    consumer.close();
    consumer = consumer(group);
    consumer.subscribe(List.of(topic));
    Kit.equal(Kit.read(consumer, 7).get(0).offset(), 13L);
    Kit.equal(consumer.committed(Set.of(zero)).get(zero).metadata(), "note");
    consumer.close();
    KafkaConsumer<String, String> classic = Kit.consumer(group);
    classic.subscribe(List.of(topic));
    Kit.equal(Kit.read(classic, 7).get(0).offset(), 13L);
    classic.close();
  }

  /** A topic that comes later and matches is read, too. */
  static void pattern() throws Exception {
    String prefix = Kit.unique("pattern");
    KafkaConsumer<String, String> consumer = consumer(Kit.unique("group"), "metadata.max.age.ms", "500");
    consumer.subscribe(Pattern.compile(Pattern.quote(prefix) + "-(a|b)"));
    try (Admin admin = Admin.create(Kit.properties())) {
      int partitions = 0;
      for (String each : List.of("a", "c", "b")) {
        Wide.get(admin.createTopics(List.of(Modern.newTopic(prefix + "-" + each, 2))).all());
        if (!each.equals("c")) share("topic " + each, partitions += 2, partitions, consumer);
      }
    }
    consumer.close();
  }

  static void staticMember() throws Exception {
    String topic = Modern.create(4), group = Kit.unique("group");
    KafkaConsumer<String, String> one = consumer(group, "group.instance.id", "one"), two = consumer(group, "group.instance.id", "two");
    for (KafkaConsumer<String, String> each : List.of(one, two)) each.subscribe(List.of(topic));
    share("two each", 4, 2, one, two);
    Set<TopicPartition> before = two.assignment();
    KafkaConsumer<String, String> intruder = consumer(group, "group.instance.id", "two");
    intruder.subscribe(List.of(topic));
    try {
      Kit.until("it is refused", () -> { Kit.poll(intruder); return false; });
    } catch (UnreleasedInstanceIdException e) {
      intruder.close();
    }
    two.close();
    for (int i = 0; i < 10; i++) Kit.poll(one);
    Kit.equal(one.assignment().size(), 2);
    two = consumer(group, "group.instance.id", "two");
    two.subscribe(List.of(topic));
    share("as before", 4, 2, one, two);
    Kit.equal(two.assignment(), before);
    one.close();
    two.close();
  }

  static String cooperative = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

  static void upgrade() throws Exception {
    String topic = Modern.create(4), group = Kit.unique("group");
    Kit.send(topic, 0, 10);
    KafkaConsumer<String, String> old = Kit.consumer(group, "partition.assignment.strategy", cooperative, "heartbeat.interval.ms", "300");
    old.subscribe(List.of(topic));
    Kit.read(old, 10);
    old.commitSync();
    KafkaConsumer<String, String> fresh = consumer(group);
    fresh.subscribe(List.of(topic));
    share("two each", 4, 2, old, fresh);
    try (Admin admin = Admin.create(Kit.properties())) {
      Kit.equal(Wide.get(admin.describeConsumerGroups(List.of(group)).all()).get(group).members().size(), 2);
    }
    old.close();
    share("the new one has all", 4, 4, fresh);
    Kit.send(topic, 0, 3);
    Kit.equal(Kit.read(fresh, 3).get(0).offset(), 10L);
    fresh.close();
  }

  static void downgrade() throws Exception {
    String topic = Modern.create(4), group = Kit.unique("group");
    KafkaConsumer<String, String> fresh = consumer(group);
    fresh.subscribe(List.of(topic));
    share("the new one has all", 4, 4, fresh);
    KafkaConsumer<String, String> old = Kit.consumer(group, "partition.assignment.strategy", cooperative, "heartbeat.interval.ms", "300");
    old.subscribe(List.of(topic));
    share("two each", 4, 2, old, fresh);
    fresh.close();
    share("the old one has all", 4, 4, old);
    old.close();
  }

  static void describe() throws Exception {
    String topic = Modern.create(3), group = Kit.unique("group");
    KafkaConsumer<String, String> consumer = consumer(group, "client.id", "me", "group.instance.id", "instance");
    consumer.subscribe(List.of(topic));
    share("three partitions", 3, 3, consumer);
    try (Admin admin = Admin.create(Kit.properties())) {
      ConsumerGroupDescription description = Wide.get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
      MemberDescription member = description.members().iterator().next();
      Kit.equal(member.clientId() + " " + member.host() + " " + member.groupInstanceId().get() + " " + member.assignment().topicPartitions().size(), "me /127.0.0.1 instance 3");
      Kit.equal(description.partitionAssignor(), "uniform");
      Kit.equal(member.targetAssignment().get().topicPartitions(), consumer.assignment());
      Wide.fails(admin.deleteConsumerGroups(List.of(group)).all(), GroupNotEmptyException.class);
      consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0)));
      consumer.close();
      // A static member that closes comes back: it has to be removed.
      Wide.get(admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("instance")))).all());
      Wide.get(admin.deleteConsumerGroups(List.of(group)).all());
      Wide.fails(admin.deleteConsumerGroups(List.of(group)).all(), GroupIdNotFoundException.class);
    }
  }

  private static TransactionDescription described(Admin admin, String id) throws Exception {
    return Wide.get(admin.describeTransactions(List.of(id)).description(id));
  }

  static void transactions() throws Exception {
    String topic = Modern.create(2), id = Kit.unique("id");
    var producer = Transactions.begin(id, "transaction.timeout.ms", "50000");
    TopicPartition zero = new TopicPartition(topic, 0);
    producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>(topic, 0, "k", "v")).get(Modern.SECONDS, TimeUnit.SECONDS);
    try (Admin admin = Admin.create(Kit.properties())) {
      TransactionDescription open = described(admin, id);
      Kit.equal(open.state() + " " + open.topicPartitions() + " " + open.transactionTimeoutMs(), TransactionState.ONGOING + " " + Set.of(zero) + " 50000");
      ListTransactionsOptions ongoing = new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING)).filterProducerIds(Set.of(open.producerId()));
      TransactionListing listing = Wide.get(admin.listTransactions(ongoing).all()).iterator().next();
      Kit.equal(listing.transactionalId() + " " + listing.state(), id + " " + TransactionState.ONGOING);
      ProducerState state = Wide.get(admin.describeProducers(List.of(zero)).partitionResult(zero)).activeProducers().get(0);
      Kit.equal(state.producerId() + " " + state.producerEpoch() + " " + state.currentTransactionStartOffset().getAsLong(), open.producerId() + " " + open.producerEpoch() + " 0");
      producer.commitTransaction();
      // The answer to the commit may be there before its marks are.
      Kit.until("it is complete", () -> described(admin, id).state() == TransactionState.COMPLETE_COMMIT);
      Kit.isTrue(Wide.get(admin.listTransactions(ongoing).all()).isEmpty(), "it is still ongoing");
      Wide.get(admin.fenceProducers(List.of(id)).all());
      Wide.fails(admin.describeTransactions(List.of(id + "-x")).description(id + "-x"), TransactionalIdNotFoundException.class);
    }
    producer.beginTransaction();
    Transactions.fenced(() -> {
      producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>(topic, 0, "k", "v"));
      producer.commitTransaction();
    });
    try { producer.close(); } catch (KafkaException e) { }
  }

  /** What an operator does about a transaction that hangs. */
  static void abort() throws Exception {
    String topic = Modern.create(1), id = Kit.unique("id");
    var producer = Transactions.begin(id);
    TopicPartition zero = new TopicPartition(topic, 0);
    producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>(topic, 0, "k", "hanging")).get(Modern.SECONDS, TimeUnit.SECONDS);
    try (Admin admin = Admin.create(Kit.properties())) {
      ProducerState state = Wide.get(admin.describeProducers(List.of(zero)).partitionResult(zero)).activeProducers().get(0);
      Wide.get(admin.abortTransaction(new AbortTransactionSpec(zero, state.producerId(), (short) state.producerEpoch(), state.coordinatorEpoch().orElse(-1))).all());
      Kit.send(topic, 0, 1);
      Kit.equal(Transactions.visible(topic, "read_committed", "0"), Transactions.set("0"));
    }
    producer.close(Duration.ZERO);
  }
}

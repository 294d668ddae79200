import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Since 4.4: share groups, groups of all kinds by the admin client, patterns that the broker resolves, transactions whose epoch grows. */
final class Queues {
  static void all() throws Exception {
    Kit.check("share-accept", Queues::accept);
    Kit.check("share-implicit", Queues::implicit);
    Kit.check("share-release", Queues::release);
    Kit.check("share-reject", Queues::reject);
    if (knowsDeadLetters()) Kit.check("share-dead-letters", Queues::deadLetters);
    else System.out.println("skip share-dead-letters: the broker has no share.version 2");
    Kit.check("share-renew", Queues::renew);
    Kit.check("share-delivery-limit", Queues::deliveryLimit);
    Kit.check("share-two-members", Queues::twoMembers);
    Kit.check("share-read-committed", Queues::readCommitted);
    Kit.check("share-admin", Queues::admin);
    Kit.check("share-admin-offsets", Queues::offsets);
    Kit.check("admin-groups-by-type", Queues::byType);
    Kit.check("consumer-protocol-regex", Queues::regex);
    Kit.check("txn-v2-epochs", Queues::epochs);
    Kit.check("txn-v2-timeout", Queues::timeout);
  }

  static KafkaShareConsumer<String, String> consumer(String group, String mode, String... pairs) {
    Properties all = Kit.properties(pairs);
    all.put("group.id", group);
    all.put("share.acknowledgement.mode", mode);
    return new KafkaShareConsumer<>(all, new StringDeserializer(), new StringDeserializer());
  }

  static String group(String... configs) throws Exception {
    String group = Kit.unique("group");
    List<AlterConfigOp> ops = new ArrayList<>(List.of(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET)));
    for (int i = 0; i < configs.length; i += 2) ops.add(new AlterConfigOp(new ConfigEntry(configs[i], configs[i + 1]), AlterConfigOp.OpType.SET));
    try (Admin admin = Admin.create(Kit.properties())) {
      Wide.get(admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, group), ops)).all());
    }
    return group;
  }

  /** Records until there are so many; each batch is acknowledged so. */
  static List<ConsumerRecord<String, String>> take(KafkaShareConsumer<String, String> consumer, int count, AcknowledgeType type) throws Exception {
    List<ConsumerRecord<String, String>> got = new ArrayList<>();
    Kit.until(count + " records, not " + got, () -> {
      for (ConsumerRecord<String, String> each : consumer.poll(Duration.ofMillis(200))) {
        got.add(each);
        if (type != null) consumer.acknowledge(each, type);
      }
      if (type != null) committed(consumer);
      return got.size() >= count;
    });
    Kit.equal(got.size(), count);
    return got;
  }

  static void committed(KafkaShareConsumer<String, String> consumer) {
    consumer.commitSync().forEach((partition, failure) -> { if (failure.isPresent()) throw failure.get(); });
  }

  static void nothing(KafkaShareConsumer<String, String> consumer) {
    for (int i = 0; i < 5; i++) Kit.equal(consumer.poll(Duration.ofMillis(200)).count(), 0);
  }

  static Set<String> values(List<ConsumerRecord<String, String>> records) { return Transactions.values(records); }

  static void accept() throws Exception {
    String topic = Modern.create(2), group = group();
    Kit.send(topic, 0, 10);
    Kit.send(topic, 1, 10);
    try (var consumer = consumer(group, "explicit")) {
      consumer.subscribe(List.of(topic));
      for (var each : take(consumer, 20, AcknowledgeType.ACCEPT)) Kit.equal(each.deliveryCount().get(), (short) 1);
      nothing(consumer);
    }
    try (var consumer = consumer(group, "explicit")) {
      consumer.subscribe(List.of(topic));
      Kit.send(topic, 0, 3);
      Kit.equal(take(consumer, 3, AcknowledgeType.ACCEPT).get(0).offset(), 10L);
    }
  }

  static void implicit() throws Exception {
    String topic = Modern.create(1), group = group();
    Kit.send(topic, 0, 10);
    Map<Long, Exception> failures = new ConcurrentHashMap<>();
    Set<Long> acknowledged = ConcurrentHashMap.newKeySet();
    try (var consumer = consumer(group, "implicit")) {
      consumer.setAcknowledgementCommitCallback((offsets, failure) -> offsets.forEach((partition, some) -> some.forEach(offset -> {
        acknowledged.add(offset);
        if (failure != null) failures.put(offset, failure);
      })));
      consumer.subscribe(List.of(topic));
      take(consumer, 10, null);
      Kit.until("they are acknowledged", () -> {
        consumer.poll(Duration.ofMillis(100));
        return acknowledged.size() == 10;
      });
    }
    Kit.equal(failures, Map.of());
  }

  static void release() throws Exception {
    String topic = Modern.create(1), group = group();
    Kit.send(topic, 0, 5);
    try (var consumer = consumer(group, "explicit")) {
      consumer.subscribe(List.of(topic));
      take(consumer, 5, AcknowledgeType.RELEASE);
      for (var each : take(consumer, 5, AcknowledgeType.ACCEPT)) Kit.equal(each.deliveryCount().get(), (short) 2);
      nothing(consumer);
    }
  }

  static void reject() throws Exception {
    String topic = Modern.create(1), group = group();
    Kit.send(topic, 0, 5);
    try (var consumer = consumer(group, "explicit")) {
      consumer.subscribe(List.of(topic));
      take(consumer, 5, AcknowledgeType.REJECT);
      nothing(consumer);
      Kit.send(topic, 0, 1);
      Kit.equal(take(consumer, 1, AcknowledgeType.ACCEPT).get(0).offset(), 5L);
    }
  }

  private static boolean knowsDeadLetters() throws Exception {
    try (Admin admin = Admin.create(Kit.properties())) {
      FinalizedVersionRange range = Wide.get(admin.describeFeatures().featureMetadata()).finalizedFeatures().get("share.version");
      return range != null && range.maxVersionLevel() >= 2;
    }
  }

  private static Map<String, String> headers(ConsumerRecord<String, String> letter) {
    Map<String, String> all = new TreeMap<>();
    letter.headers().forEach(header -> all.put(header.key().replace("__dlq.errors.", ""), new String(header.value(), java.nio.charset.StandardCharsets.UTF_8)));
    return all;
  }

  /** KIP-1191: rejected records and those that were delivered too often; with content when the group wants that. */
  static void deadLetters() throws Exception {
    String topic = Modern.create(1), queue = "dlq." + topic;
    try (Admin admin = Admin.create(Kit.properties())) {
      NewTopic letters = new NewTopic(queue, 1, (short) 1).configs(Map.of("errors.deadletterqueue.group.enable", "true"));
      Wide.get(admin.createTopics(List.of(letters)).all());
    }
    String group = group("errors.deadletterqueue.topic.name", queue, "share.delivery.count.limit", "2");
    Kit.send(topic, 0, 2);
    try (var consumer = consumer(group, "explicit")) {
      consumer.subscribe(List.of(topic));
      take(consumer, 2, AcknowledgeType.REJECT);
      List<ConsumerRecord<String, String>> rejected = Kit.readTopic(queue, 2);
      for (int offset = 0; offset < 2; offset++) {
        ConsumerRecord<String, String> letter = rejected.get(offset);
        Kit.equal(letter.key() + " " + letter.value(), "null null");
        Map<String, String> wanted = Map.of("topic", topic, "partition", "0", "offset", "" + offset, "group", group, "delivery.count", "1", "message", "Offset rejected by client.");
        Kit.equal(headers(letter), new TreeMap<>(wanted));
      }
      try (Admin admin = Admin.create(Kit.properties())) {
        AlterConfigOp copy = new AlterConfigOp(new ConfigEntry("errors.deadletterqueue.copy.record.enable", "true"), AlterConfigOp.OpType.SET);
        Wide.get(admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, group), List.of(copy))).all());
      }
      try (KafkaProducer<String, String> producer = Kit.producer("compression.type", "gzip")) {
        ProducerRecord<String, String> record = new ProducerRecord<>(topic, 0, "key", "exhausted");
        record.headers().add("own", "header".getBytes(java.nio.charset.StandardCharsets.UTF_8));
        producer.send(record).get();
      }
      Kit.until("it was delivered twice", () -> {
        boolean last = false;
        for (var each : take(consumer, 1, AcknowledgeType.RELEASE)) last |= each.deliveryCount().get() == 2;
        return last;
      });
      ConsumerRecord<String, String> letter = Kit.readTopic(queue, 3).get(2);
      Kit.equal(letter.key() + " " + letter.value(), "key exhausted");
      Map<String, String> wanted = Map.of("topic", topic, "partition", "0", "offset", "2", "group", group, "delivery.count", "2", "message", "Offset delivery count exceeded the threshold.");
      Kit.equal(headers(letter), new TreeMap<>(wanted));
      nothing(consumer);
    }
  }

  static void renew() throws Exception {
    String topic = Modern.create(1), group = group("share.record.lock.duration.ms", "15000");
    Kit.send(topic, 0, 1);
    try (var consumer = consumer(group, "explicit"); var other = consumer(group, "explicit")) {
      consumer.subscribe(List.of(topic));
      other.subscribe(List.of(topic));
      ConsumerRecord<String, String> held = take(consumer, 1, null).get(0);
      Kit.equal(consumer.acquisitionLockTimeoutMs(), Optional.of(15000));
      long end = System.currentTimeMillis() + 20_000;
      while (System.currentTimeMillis() < end) {
        consumer.acknowledge(held, AcknowledgeType.RENEW);
        committed(consumer);
        Kit.equal(other.poll(Duration.ofMillis(3000)).count(), 0);
        // What was renewed is given again to the one who holds it.
        held = consumer.poll(Duration.ofMillis(500)).iterator().next();
        Kit.equal(held.deliveryCount().get(), (short) 1);
      }
      consumer.acknowledge(held, AcknowledgeType.ACCEPT);
      committed(consumer);
      Kit.equal(other.poll(Duration.ofMillis(1000)).count(), 0);
    }
  }

  static void deliveryLimit() throws Exception {
    String topic = Modern.create(1), group = group();
    Kit.send(topic, 0, 1);
    try (var consumer = consumer(group, "explicit")) {
      consumer.subscribe(List.of(topic));
      // group.share.delivery.count.limit is 5. Kafka may count one that this member did not see.
      short last = 0;
      while (last < 5) {
        for (var each : take(consumer, 1, AcknowledgeType.RELEASE)) {
          Kit.isTrue(each.deliveryCount().get() > last && each.deliveryCount().get() <= 5, last + " was followed by " + each.deliveryCount().get());
          last = each.deliveryCount().get();
        }
      }
      nothing(consumer);
    }
  }

  static void twoMembers() throws Exception {
    String topic = Modern.create(1), group = group();
    try (var one = consumer(group, "explicit", "max.poll.records", "10"); var two = consumer(group, "explicit", "max.poll.records", "10")) {
      List<ConsumerRecord<String, String>> all = new ArrayList<>();
      Map<KafkaShareConsumer<String, String>, Integer> counts = new HashMap<>();
      for (var each : List.of(one, two)) each.subscribe(List.of(topic));
      int[] sent = {0};
      Kit.until("both have had some, and all came", () -> {
        if (sent[0] < 400 || counts.size() < 2) {
          Kit.send(topic, 0, 100);
          sent[0] += 100;
        }
        for (var consumer : List.of(one, two)) {
          for (var record : consumer.poll(Duration.ofMillis(100))) {
            all.add(record);
            counts.merge(consumer, 1, Integer::sum);
            consumer.acknowledge(record);
          }
          committed(consumer);
        }
        return counts.size() == 2 && all.size() >= sent[0];
      });
      Kit.equal(all.stream().map(ConsumerRecord::offset).distinct().count(), (long) sent[0]);
      Kit.equal(all.size(), sent[0]);
    }
  }

  static void readCommitted() throws Exception {
    String topic = Modern.create(1), group = group("share.isolation.level", "read_committed"), open = group();
    var producer = Transactions.begin(Kit.unique("id"));
    producer.send(new ProducerRecord<>(topic, 0, "k", "aborted"));
    producer.flush();
    producer.abortTransaction();
    producer.beginTransaction();
    producer.send(new ProducerRecord<>(topic, 0, "k", "committed"));
    producer.flush();
    try (var consumer = consumer(group, "explicit"); var other = consumer(open, "explicit")) {
      consumer.subscribe(List.of(topic));
      other.subscribe(List.of(topic));
      Kit.equal(values(take(other, 2, AcknowledgeType.ACCEPT)), Transactions.set("aborted", "committed"));
      nothing(consumer);
      producer.commitTransaction();
      Kit.equal(values(take(consumer, 1, AcknowledgeType.ACCEPT)), Transactions.set("committed"));
    }
    producer.close();
  }

  static void admin() throws Exception {
    String topic = Modern.create(2), group = group();
    try (Admin admin = Admin.create(Kit.properties()); var consumer = consumer(group, "explicit", "client.id", "me")) {
      consumer.subscribe(List.of(topic));
      Kit.until("it has two partitions", () -> {
        consumer.poll(Duration.ofMillis(200));
        ShareGroupDescription description = Wide.get(admin.describeShareGroups(List.of(group)).all()).get(group);
        return description.members().size() == 1 && description.members().iterator().next().assignment().topicPartitions().size() == 2;
      });
      ShareGroupDescription description = Wide.get(admin.describeShareGroups(List.of(group)).all()).get(group);
      ShareMemberDescription member = description.members().iterator().next();
      Kit.equal(description.groupState() + " " + member.clientId() + " " + member.host(), GroupState.STABLE + " me /127.0.0.1");
      Wide.fails(admin.deleteShareGroups(List.of(group)).all(), GroupNotEmptyException.class);
      consumer.close();
      Kit.until("it is empty", () -> Wide.get(admin.describeShareGroups(List.of(group)).all()).get(group).groupState() == GroupState.EMPTY);
      Wide.get(admin.deleteShareGroups(List.of(group)).all());
      Wide.fails(admin.deleteShareGroups(List.of(group)).all(), GroupIdNotFoundException.class);
    }
  }

  private static SharePartitionOffsetInfo offset(Admin admin, String group, TopicPartition partition) throws Exception {
    return Wide.get(admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(group)).get(partition);
  }

  static void offsets() throws Exception {
    String topic = Modern.create(1), group = group();
    TopicPartition zero = new TopicPartition(topic, 0);
    Kit.send(topic, 0, 10);
    try (Admin admin = Admin.create(Kit.properties())) {
      try (var consumer = consumer(group, "explicit")) {
        consumer.subscribe(List.of(topic));
        take(consumer, 10, AcknowledgeType.ACCEPT);
        Kit.until("nothing is left", () -> offset(admin, group, zero).lag().equals(Optional.of(0L)));
        Wide.fails(admin.alterShareGroupOffsets(group, Map.of(zero, 4L)).all(), GroupNotEmptyException.class);
      }
      Kit.until("it starts at 4", () -> {
        try { Wide.get(admin.alterShareGroupOffsets(group, Map.of(zero, 4L)).all()); } catch (ExecutionException e) { return false; }
        return offset(admin, group, zero).startOffset() == 4;
      });
      Kit.equal(offset(admin, group, zero).lag(), Optional.of(6L));
      try (var consumer = consumer(group, "explicit")) {
        consumer.subscribe(List.of(topic));
        Kit.equal(take(consumer, 6, AcknowledgeType.ACCEPT).get(0).offset(), 4L);
      }
      Kit.until("they are deleted", () -> {
        try { Wide.get(admin.deleteShareGroupOffsets(group, Set.of(topic)).all()); } catch (ExecutionException e) { return false; }
        return offset(admin, group, zero) == null;
      });
    }
  }

  static void byType() throws Exception {
    String topic = Modern.create(1), run = Kit.unique("kind");
    KafkaConsumer<String, String> classic = Kit.consumer(run + "-classic"), fresh = Heartbeats.consumer(run + "-consumer");
    for (KafkaConsumer<String, String> each : List.of(classic, fresh)) {
      each.subscribe(List.of(topic));
      Heartbeats.share("a partition", 1, 1, each);
    }
    try (Admin admin = Admin.create(Kit.properties()); var queue = consumer(run + "-share", "implicit")) {
      queue.subscribe(List.of(topic));
      queue.poll(Duration.ofMillis(500));
      Map<String, GroupType> wanted = Map.of("classic", GroupType.CLASSIC, "consumer", GroupType.CONSUMER, "share", GroupType.SHARE);
      Kit.until("they are listed", () -> Wide.get(admin.listGroups().all()).stream().filter(each -> each.groupId().startsWith(run)).count() == 3);
      for (var each : wanted.entrySet()) {
        List<String> found = Wide.get(admin.listGroups(new ListGroupsOptions().withTypes(Set.of(each.getValue()))).all()).stream().map(GroupListing::groupId).filter(id -> id.startsWith(run)).toList();
        Kit.equal(found, List.of(run + "-" + each.getKey()));
      }
      classic.close();
      Kit.until("one is empty", () -> {
        ListGroupsOptions options = new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY));
        return Wide.get(admin.listGroups(options).all()).stream().map(GroupListing::groupId).filter(id -> id.startsWith(run)).toList().equals(List.of(run + "-classic"));
      });
      Wide.fails(admin.describeShareGroups(List.of(run + "-consumer")).all(), GroupIdNotFoundException.class);
      ClassicGroupDescription description = Wide.get(admin.describeClassicGroups(List.of(run + "-classic")).all()).get(run + "-classic");
      Kit.equal(description.state() + " " + description.protocol(), ClassicGroupState.EMPTY + " consumer");
    }
    fresh.close();
  }

  static void regex() throws Exception {
    String prefix = Kit.unique("regex");
    KafkaConsumer<String, String> consumer = Heartbeats.consumer(Kit.unique("group"), "metadata.max.age.ms", "500");
    consumer.subscribe(new SubscriptionPattern(prefix + "-[ab]"));
    try (Admin admin = Admin.create(Kit.properties())) {
      int partitions = 0;
      for (String each : List.of("a", "c", "b")) {
        Wide.get(admin.createTopics(List.of(Modern.newTopic(prefix + "-" + each, 2))).all());
        if (!each.equals("c")) Heartbeats.share("topic " + each, partitions += 2, partitions, consumer);
      }
    }
    consumer.subscribe(new SubscriptionPattern("(unfinished"));
    try {
      Kit.until("it is refused", () -> { Kit.poll(consumer); return false; });
    } catch (InvalidRegularExpression e) {
      consumer.close();
    }
  }

  /** KIP-890: each transaction has an epoch of its own, so that nothing late can reach into the next. */
  static void epochs() throws Exception {
    String topic = Modern.create(1), id = Kit.unique("id");
    List<Integer> epochs = new ArrayList<>();
    var producer = Transactions.begin(id);
    try (Admin admin = Admin.create(Kit.properties())) {
      for (int i = 0; i < 3; i++) {
        if (i > 0) producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, 0, "k", "" + i));
        if (i == 1) producer.abortTransaction(); else producer.commitTransaction();
        epochs.add(Wide.get(admin.describeTransactions(List.of(id)).description(id)).producerEpoch());
      }
    }
    producer.close();
    Kit.isTrue(epochs.get(1) > epochs.get(0) && epochs.get(2) > epochs.get(1), "the epochs are " + epochs);
    Kit.equal(Transactions.visible(topic, "read_committed", "2"), Transactions.set("0", "2"));
  }

  /** A producer whose transaction took too long aborts it and goes on, in an epoch of its own. */
  static void timeout() throws Exception {
    String topic = Modern.create(1), id = Kit.unique("id");
    var producer = Transactions.begin(id, "transaction.timeout.ms", "1000");
    producer.send(new ProducerRecord<>(topic, 0, "k", "too slow")).get(Modern.SECONDS, TimeUnit.SECONDS);
    try (Admin admin = Admin.create(Kit.properties())) {
      Kit.until("it is aborted", () -> Wide.get(admin.describeTransactions(List.of(id)).description(id)).state() == TransactionState.COMPLETE_ABORT);
    }
    Secured.fails(InvalidProducerEpochException.class, () -> producer.send(new ProducerRecord<>(topic, 0, "k", "late")).get(Modern.SECONDS, TimeUnit.SECONDS));
    producer.abortTransaction();
    producer.beginTransaction();
    producer.send(new ProducerRecord<>(topic, 0, "k", "in time"));
    producer.commitTransaction();
    producer.close();
    Kit.equal(Transactions.visible(topic, "read_committed", "in time"), Transactions.set("in time"));
  }
}

import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;

/** Since 2.8: the admin client as people know it today; static members; cooperative rebalancing. */
final class Wide {
  static void all() throws Exception {
    Kit.check("admin-configs", Wide::configs);
    Kit.check("admin-partitions", Wide::partitions);
    Kit.check("admin-delete-records", Wide::deleteRecords);
    Kit.check("admin-groups", Wide::groups);
    Kit.check("admin-group-offsets", Wide::groupOffsets);
    Kit.check("admin-log-dirs", Wide::logDirs);
    Kit.check("static-member", Wide::staticMember);
    Kit.check("cooperative-rebalance", Wide::cooperative);
  }

  static <T> T get(KafkaFuture<T> future) throws Exception { return future.get(Modern.SECONDS, TimeUnit.SECONDS); }

  static void fails(KafkaFuture<?> future, Class<?> wanted) throws Exception {
    try {
      get(future);
    } catch (ExecutionException e) {
      Kit.isTrue(wanted.isInstance(e.getCause()), e.getCause() + " instead of " + wanted.getSimpleName());
      return;
    }
    throw new AssertionError("no " + wanted.getSimpleName());
  }

  static void configs() throws Exception {
    ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, Modern.create(1));
    try (Admin admin = Admin.create(Kit.properties())) {
      alter(admin, topic, "retention.ms", "1000000", AlterConfigOp.OpType.SET);
      alter(admin, topic, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
      Kit.until("they are set", () -> "1000000".equals(entry(admin, topic, "retention.ms").value()));
      Kit.equal(entry(admin, topic, "retention.ms").source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
      Kit.equal(new TreeSet<>(Arrays.asList(entry(admin, topic, "cleanup.policy").value().split(","))), new TreeSet<>(List.of("compact", "delete")));
      alter(admin, topic, "retention.ms", "", AlterConfigOp.OpType.DELETE);
      Kit.until("the default is back", () -> entry(admin, topic, "retention.ms").isDefault());
      AlterConfigOp bad = new AlterConfigOp(new ConfigEntry("retention.ms", "abc"), AlterConfigOp.OpType.SET);
      fails(admin.incrementalAlterConfigs(Map.of(topic, List.of(bad))).all(), InvalidConfigurationException.class);
    }
  }

  private static void alter(Admin admin, ConfigResource resource, String name, String value, AlterConfigOp.OpType type) throws Exception {
    get(admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), type)))).all());
  }

  private static ConfigEntry entry(Admin admin, ConfigResource resource, String name) throws Exception {
    return get(admin.describeConfigs(List.of(resource)).all()).get(resource).get(name);
  }

  static void partitions() throws Exception {
    String topic = Modern.create(2);
    KafkaConsumer<String, String> consumer = Kit.consumer(Kit.unique("group"), "metadata.max.age.ms", "200");
    try (Admin admin = Admin.create(Kit.properties())) {
      get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all());
      consumer.subscribe(List.of(topic));
      Kit.until("five partitions", () -> {
        Kit.poll(consumer);
        return consumer.assignment().size() == 5;
      });
      fails(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all(), InvalidPartitionsException.class);
    }
    consumer.close();
  }

  static void deleteRecords() throws Exception {
    String topic = Modern.create(1);
    TopicPartition partition = new TopicPartition(topic, 0);
    Kit.send(topic, 0, 10);
    try (Admin admin = Admin.create(Kit.properties())) {
      Kit.equal(get(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4))).lowWatermarks().get(partition)).lowWatermark(), 4L);
      Kit.equal(get(admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition)).offset(), 4L);
      fails(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(400))).all(), org.apache.kafka.common.errors.OffsetOutOfRangeException.class);
    }
    Kit.equal(Kit.readTopic(topic, 6).get(0).offset(), 4L);
  }

  static void groups() throws Exception {
    String topic = Modern.create(2), group = Kit.unique("group");
    KafkaConsumer<String, String> consumer = Kit.consumer(group, "client.id", "me");
    consumer.subscribe(List.of(topic));
    Kit.until("two partitions", () -> {
      Kit.poll(consumer);
      return consumer.assignment().size() == 2;
    });
    try (Admin admin = Admin.create(Kit.properties())) {
      ConsumerGroupDescription description = get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
      Kit.equal(description.partitionAssignor(), "range");
      MemberDescription member = description.members().iterator().next();
      Kit.equal(member.clientId() + " " + member.host() + " " + member.assignment().topicPartitions().size(), "me /127.0.0.1 2");
      Kit.isTrue(get(admin.listConsumerGroups().all()).stream().anyMatch(each -> each.groupId().equals(group)), "it is not listed");
      fails(admin.deleteConsumerGroups(List.of(group)).all(), GroupNotEmptyException.class);
      consumer.close();
      get(admin.deleteConsumerGroups(List.of(group)).all());
      Kit.isTrue(get(admin.listConsumerGroups().all()).stream().noneMatch(each -> each.groupId().equals(group)), "it is still listed");
      fails(admin.deleteConsumerGroups(List.of(group)).all(), GroupIdNotFoundException.class);
    }
  }

  static void groupOffsets() throws Exception {
    String group = Kit.unique("group");
    TopicPartition zero = new TopicPartition(Modern.create(2), 0), one = new TopicPartition(zero.topic(), 1);
    Kit.send(zero.topic(), 0, 10);
    try (Admin admin = Admin.create(Kit.properties())) {
      get(admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(7), one, new OffsetAndMetadata(0, "note"))).all());
      Map<TopicPartition, OffsetAndMetadata> offsets = get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
      Kit.equal(offsets.get(zero).offset() + " " + offsets.get(one).metadata(), "7 note");
      get(admin.deleteConsumerGroupOffsets(group, Set.of(one)).all());
      Kit.equal(get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).keySet(), Set.of(zero));
    }
  }

  static void logDirs() throws Exception {
    String topic = Modern.create(1);
    Kit.send(topic, 0, 10);
    try (Admin admin = Admin.create(Kit.properties()); KafkaConsumer<String, String> consumer = Kit.consumer(Kit.unique("group"))) {
      int broker = consumer.partitionsFor(topic).get(0).leader().id();
      LogDirDescription directory = get(admin.describeLogDirs(List.of(broker)).descriptions().get(broker)).values().iterator().next();
      Kit.isTrue(directory.replicaInfos().get(new TopicPartition(topic, 0)).size() > 0, "the partition has no size");
    }
  }

  static void staticMember() throws Exception {
    String topic = Modern.create(2), group = Kit.unique("group");
    String memberId = null;
    for (int i = 0; i < 2; i++) {
      KafkaConsumer<String, String> consumer = Kit.consumer(group, "group.instance.id", "one", "session.timeout.ms", "30000");
      consumer.subscribe(List.of(topic));
      Kit.until("two partitions", () -> {
        Kit.poll(consumer);
        return consumer.assignment().size() == 2;
      });
      Kit.equal(consumer.groupMetadata().generationId(), 1);
      Kit.isTrue(!consumer.groupMetadata().memberId().equals(memberId), "the member id was used again");
      memberId = consumer.groupMetadata().memberId();
      consumer.close();
    }
  }

  static void cooperative() throws Exception {
    String topic = Modern.create(4), group = Kit.unique("group");
    String[] assignor = {"partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "heartbeat.interval.ms", "300"};
    KafkaConsumer<String, String> one = Kit.consumer(group, assignor), two = Kit.consumer(group, assignor);
    List<TopicPartition> lost = new ArrayList<>();
    one.subscribe(List.of(topic), new ConsumerRebalanceListener() {
      @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) { lost.addAll(partitions); }
      @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) { }
    });
    Kit.until("one has four", () -> {
      Kit.poll(one);
      return one.assignment().size() == 4;
    });
    two.subscribe(List.of(topic));
    Kit.until("two each", () -> {
      Kit.poll(one);
      Kit.poll(two);
      return one.assignment().size() == 2 && two.assignment().size() == 2;
    });
    Kit.equal(lost.size(), 2);
    two.close();
    Kit.until("one has four again", () -> {
      Kit.poll(one);
      return one.assignment().size() == 4;
    });
    one.close();
  }
}

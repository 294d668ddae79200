import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Since 0.11: headers, idempotence, the admin client. */
final class Modern {
  static final int SECONDS = 20;

  static void all() throws Exception {
    Kit.check("headers", Modern::headers);
    Kit.check("idempotent", Modern::idempotent);
    Kit.check("log-append-time", Modern::logAppendTime);
    Kit.check("admin-topics", Modern::topics);
    Kit.check("admin-validate-only", Modern::validateOnly);
    Kit.check("admin-cluster", Modern::cluster);
  }

  static NewTopic newTopic(String name, int partitions, String... configs) {
    Map<String, String> all = new HashMap<>();
    for (int i = 0; i < configs.length; i += 2) all.put(configs[i], configs[i + 1]);
    return new NewTopic(name, partitions, (short) 1).configs(all);
  }

  static String create(int partitions, String... configs) throws Exception {
    String topic = Kit.unique("topic");
    try (AdminClient admin = AdminClient.create(Kit.properties())) {
      admin.createTopics(Collections.singletonList(newTopic(topic, partitions, configs))).all().get(SECONDS, TimeUnit.SECONDS);
    }
    return topic;
  }

  static void headers() throws Exception {
    String topic = create(1);
    KafkaProducer<String, String> producer = Kit.producer();
    List<org.apache.kafka.common.header.Header> headers = Arrays.asList(new RecordHeader("a", "1".getBytes()), new RecordHeader("a", (byte[]) null));
    producer.send(new ProducerRecord<>(topic, 0, Kit.HOUR_AGO, "k", null, headers)).get(SECONDS, TimeUnit.SECONDS);
    producer.close();
    ConsumerRecord<String, String> got = Kit.readTopic(topic, 1).get(0);
    Kit.equal(got.timestamp(), Kit.HOUR_AGO);
    Kit.equal(got.value(), null);
    Kit.equal(Arrays.asList(got.headers().toArray()), headers);
  }

  static void idempotent() throws Exception {
    String topic = create(1);
    KafkaProducer<String, String> producer = Kit.producer("enable.idempotence", "true", "acks", "all", "batch.size", "200", "retries", "100");
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    for (int i = 0; i < 1000; i++) sent.add(producer.send(new ProducerRecord<>(topic, "k", "" + i)));
    for (int i = 0; i < 1000; i++) Kit.equal(sent.get(i).get(SECONDS, TimeUnit.SECONDS).offset(), (long) i);
    producer.close();
  }

  static void logAppendTime() throws Exception {
    String topic = create(1, "message.timestamp.type", "LogAppendTime");
    KafkaProducer<String, String> producer = Kit.producer();
    long told = producer.send(new ProducerRecord<>(topic, 0, Kit.HOUR_AGO, "k", "v")).get(SECONDS, TimeUnit.SECONDS).timestamp();
    producer.close();
    Kit.isTrue(told > Kit.HOUR_AGO + 3_000_000, "the answer's time is " + told);
    ConsumerRecord<String, String> got = Kit.readTopic(topic, 1).get(0);
    Kit.equal(got.timestampType().toString(), "LogAppendTime");
    Kit.equal(got.timestamp(), told);
  }

  static void topics() throws Exception {
    String topic = create(3, "retention.ms", "12345678");
    try (AdminClient admin = AdminClient.create(Kit.properties())) {
      try {
        admin.createTopics(Collections.singletonList(newTopic(topic, 3))).all().get(SECONDS, TimeUnit.SECONDS);
        throw new AssertionError("it was created twice");
      } catch (ExecutionException e) {
        Kit.isTrue(e.getCause() instanceof TopicExistsException, String.valueOf(e.getCause()));
      }
      Kit.until("it is listed", () -> admin.listTopics().names().get(SECONDS, TimeUnit.SECONDS).contains(topic));
      ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
      Config config = admin.describeConfigs(Collections.singletonList(resource)).all().get(SECONDS, TimeUnit.SECONDS).get(resource);
      Kit.equal(config.get("retention.ms").value(), "12345678");
      admin.deleteTopics(Collections.singletonList(topic)).all().get(SECONDS, TimeUnit.SECONDS);
      Kit.until("it is gone", () -> !admin.listTopics().names().get(SECONDS, TimeUnit.SECONDS).contains(topic));
    }
  }

  static void validateOnly() throws Exception {
    String topic = Kit.unique("topic");
    try (AdminClient admin = AdminClient.create(Kit.properties())) {
      CreateTopicsOptions options = new CreateTopicsOptions().validateOnly(true);
      admin.createTopics(Collections.singletonList(newTopic(topic, 3)), options).all().get(SECONDS, TimeUnit.SECONDS);
      Thread.sleep(300);
      Kit.isTrue(!admin.listTopics().names().get(SECONDS, TimeUnit.SECONDS).contains(topic), "it was created");
    }
  }

  static void cluster() throws Exception {
    try (AdminClient admin = AdminClient.create(Kit.properties())) {
      DescribeClusterResult cluster = admin.describeCluster();
      Kit.isTrue(cluster.clusterId().get(SECONDS, TimeUnit.SECONDS) != null, "no cluster id");
      Kit.equal(cluster.nodes().get(SECONDS, TimeUnit.SECONDS).size(), Kit.bootstrap.split(",").length);
      Kit.isTrue(cluster.controller().get(SECONDS, TimeUnit.SECONDS) != null, "no controller");
    }
  }
}

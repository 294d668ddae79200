import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.streams.*;

/** `Main HOST:PORT classic|streams`: the cases, with this group protocol. */
final class Main {
  static final int PARTITIONS = 3;
  static final int WORDS = 40;
  static String protocol;
  static Admin admin;

  public static void main(String[] arguments) throws Exception {
    Kit.bootstrap = arguments[0];
    protocol = arguments[1];
    Kit.patienceSeconds = 80;
    admin = Admin.create(Kit.properties());
    WordCount words = new WordCount();
    Kit.check("word-count", words::counts);
    Kit.check("internal-topics", words::internalTopics);
    Kit.check("group", words::group);
    Kit.check("instance-joins-and-leaves", words::joinsAndLeaves);
    Kit.check("committed-offsets", words::committedOffsets);
    Kit.check("restore-from-changelog", words::restores);
    Kit.check("abort-and-replace-thread", words::aborts);
    words.close();
    Kit.check("standby-takes-over", Main::standby);
    Kit.check("windowed-join", Main::windowedJoin);
    Runtime.getRuntime().halt(0);
  }

  static boolean isStreams() { return protocol.equals("streams"); }

  static void topics(String... names) throws Exception {
    admin.createTopics(Arrays.stream(names).map(name -> new NewTopic(name, PARTITIONS, (short) 1)).collect(Collectors.toList())).all().get();
  }

  static Properties config(String application, String... pairs) {
    Properties all = Apps.config(application, Kit.properties(), pairs);
    all.put("group.protocol", protocol);
    if (!isStreams()) {
      all.put("main.consumer.session.timeout.ms", "3000");
      all.put("main.consumer.heartbeat.interval.ms", "500");
    }
    return all;
  }

  /** With the streams protocol the number of standbys is the group's. */
  static void standbys(String application) throws Exception {
    if (!isStreams()) return;
    AlterConfigOp one = new AlterConfigOp(new ConfigEntry("streams.num.standby.replicas", "1"), AlterConfigOp.OpType.SET);
    admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, application), List.of(one))).all().get();
  }

  /** Everything that is committed, in the order of each partition. */
  static List<ConsumerRecord<String, String>> committed(String topic) throws Exception { return read(topic, "read_committed"); }

  static List<ConsumerRecord<String, String>> read(String topic, String isolation) throws Exception {
    List<ConsumerRecord<String, String>> all = new ArrayList<>();
    try (KafkaConsumer<String, String> consumer = Kit.consumer(Kit.unique("reader"), "isolation.level", isolation)) {
      List<TopicPartition> partitions = IntStream.range(0, PARTITIONS).mapToObj(i -> new TopicPartition(topic, i)).collect(Collectors.toList());
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      Kit.until("all of " + topic + " read", () -> {
        for (ConsumerRecord<String, String> each : Kit.poll(consumer)) all.add(each);
        for (TopicPartition each : partitions) if (consumer.position(each) < ends.get(each)) return false;
        return true;
      });
    }
    return all;
  }

  /** Waits until `count` records are committed; then nothing more may come. */
  static List<ConsumerRecord<String, String>> exactly(String topic, int count) throws Exception {
    Kit.until(count + " records in " + topic, () -> committed(topic).size() >= count);
    Thread.sleep(500);
    List<ConsumerRecord<String, String>> all = committed(topic);
    Kit.equal(all.size(), count);
    return all;
  }

  /** What is put in, and what has to come out of that. Each method is a case; together they are the life of one application. */
  static final class WordCount {
    final String application = Kit.unique("words");
    final String input = Kit.unique("lines");
    final String output = Kit.unique("counts");
    final Map<String, Long> expected = new TreeMap<>();
    int lines;
    Apps.Instance instance;

    Apps.Instance start(String... pairs) throws Exception { return new Apps.Instance(Apps.wordCount(input, output, line -> List.of(line.split(" "))), config(application, pairs)); }

    void close() throws Exception { if (instance != null) instance.close(); }

    /** Lines of four words; the first word of the line goes on through all lines. */
    void put(int count, long pause) throws Exception {
      Random random = new Random(lines);
      try (KafkaProducer<String, String> producer = Kit.producer()) {
        for (int i = 0; i < count; i++) {
          String line = Stream.concat(Stream.of("all"), IntStream.range(0, 3).mapToObj(each -> "w" + random.nextInt(WORDS))).collect(Collectors.joining(" "));
          for (String word : line.split(" ")) expected.merge(word, 1L, Long::sum);
          producer.send(new ProducerRecord<>(input, lines % PARTITIONS, "line" + lines++, line));
          if (pause > 0) Thread.sleep(pause);
        }
      }
    }

    /** For each word exactly 1, 2, … up to how often it was put in. */
    void verify() throws Exception {
      Map<String, Long> last = new TreeMap<>();
      for (ConsumerRecord<String, String> each : exactly(output, lines * 4)) Kit.equal(each.value(), each.key() + "=" + last.merge(each.key(), 1L, Long::sum));
      Kit.equal(last, expected);
    }

    void counts() throws Exception {
      topics(input, output);
      instance = start();
      put(500, 0);
      verify();
      Kit.until("the counts are there", () -> expected.equals(instance.counts()));
    }

    void internalTopics() throws Exception {
      String repartition = application + "-words-repartition";
      String changelog = application + "-counts-changelog";
      Map<String, TopicDescription> found = admin.describeTopics(List.of(repartition, changelog)).allTopicNames().get();
      for (TopicDescription each : found.values()) Kit.equal(each.partitions().size(), PARTITIONS);
      Map<String, String> configs = configs(repartition);
      Kit.equal(configs.get("cleanup.policy"), "delete");
      Kit.equal(configs.get("retention.ms"), "-1");
      Kit.equal(configs.get("segment.bytes"), "52428800");
      Kit.equal(configs(changelog).get("cleanup.policy"), "compact");
      Kit.until("what was processed goes from the repartition topic", () -> {
        Map<TopicPartition, OffsetSpec> earliest = new HashMap<>();
        for (int i = 0; i < PARTITIONS; i++) earliest.put(new TopicPartition(repartition, i), OffsetSpec.earliest());
        return admin.listOffsets(earliest).all().get().values().stream().anyMatch(each -> each.offset() > 0);
      });
    }

    private Map<String, String> configs(String topic) throws Exception {
      ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
      return admin.describeConfigs(List.of(resource)).all().get().get(resource).entries().stream().filter(each -> each.value() != null).collect(Collectors.toMap(ConfigEntry::name, ConfigEntry::value));
    }

    void group() throws Exception {
      GroupListing listing = admin.listGroups().all().get().stream().filter(each -> each.groupId().equals(application)).findFirst().orElseThrow();
      Kit.equal(listing.type().map(Object::toString).orElse(""), isStreams() ? "Streams" : "Classic");
      if (isStreams()) {
        StreamsGroupDescription group = admin.describeStreamsGroups(List.of(application)).all().get().get(application);
        Kit.equal(group.groupState(), GroupState.STABLE);
        Kit.equal(group.members().size(), 1);
        Kit.equal(group.subtopologies().size(), 2);
        Kit.equal(group.members().iterator().next().assignment().activeTasks().stream().mapToInt(each -> each.partitions().size()).sum(), 2 * PARTITIONS);
      } else {
        ClassicGroupDescription group = admin.describeClassicGroups(List.of(application)).all().get().get(application);
        Kit.equal(group.state(), ClassicGroupState.STABLE);
        Kit.equal(group.protocol(), "consumer");
        Kit.equal(group.protocolData(), "stream");
      }
    }

    void joinsAndLeaves() throws Exception {
      CompletableFuture<Void> putting = CompletableFuture.runAsync(() -> {
        try { put(isStreams() ? 6000 : 4000, 2); } catch (Exception e) { throw new CompletionException(e); }
      });
      try (Apps.Instance other = start()) {
        Kit.until("the second instance works", () -> other.running() && other.activeTasks() > 0 && instance.activeTasks() < 2 * PARTITIONS);
        Thread.sleep(1500);
      }
      Kit.until("the first instance has all tasks again", () -> instance.activeTasks() == 2 * PARTITIONS);
      putting.get();
      verify();
      Kit.until("the counts are there", () -> expected.equals(instance.counts()));
    }

    void committedOffsets() throws Exception {
      Kit.until("everything is committed", () -> {
        Map<TopicPartition, OffsetAndMetadata> offsets = isStreams()
            ? admin.listStreamsGroupOffsets(Map.of(application, new ListStreamsGroupOffsetsSpec())).partitionsToOffsetAndMetadata(application).get()
            : admin.listConsumerGroupOffsets(application).partitionsToOffsetAndMetadata().get();
        long sum = 0;
        for (int i = 0; i < PARTITIONS; i++) {
          OffsetAndMetadata offset = offsets.get(new TopicPartition(input, i));
          if (offset != null) sum += offset.offset();
        }
        Kit.isTrue(sum <= lines, sum + " of " + lines + " lines are committed");
        return sum == lines;
      });
    }

    void restores() throws Exception {
      instance.close();
      instance = start();
      Kit.until("the state is back", () -> instance.running() && instance.activeTasks() == 2 * PARTITIONS);
      Kit.until("the counts are there", () -> expected.equals(instance.counts()));
      Kit.isTrue(instance.restored.get() >= expected.size(), "only " + instance.restored.get() + " records were restored");
      put(200, 0);
      verify();
    }

    /** A thread dies in the middle of a transaction; what it wrote is aborted and done again. */
    void aborts() throws Exception {
      instance.close();
      AtomicBoolean died = new AtomicBoolean();
      StreamsBuilder builder = new StreamsBuilder();
      String copy = Kit.unique("copy");
      topics(copy);
      builder.<String, String>stream(input).mapValues((key, line) -> {
        if (!key.equals("line150") || died.getAndSet(true)) return line;
        try { Thread.sleep(1000); } catch (InterruptedException e) { throw new IllegalStateException(e); } // so that what is before is sent
        throw new IllegalStateException("planted");
      }).to(copy);
      try (Apps.Instance broken = new Apps.Instance(builder.build(), config(application + "-copy", "commit.interval.ms", "5000"))) {
        List<ConsumerRecord<String, String>> all = exactly(copy, lines);
        Kit.equal(all.stream().map(ConsumerRecord::key).distinct().count(), (long) lines);
        Kit.equal(broken.replaced.get(), 1L);
        Kit.isTrue(read(copy, "read_uncommitted").size() > lines, "nothing was aborted");
      }
      instance = null;
    }
  }

  static void standby() throws Exception {
    WordCount words = new WordCount();
    topics(words.input, words.output);
    standbys(words.application);
    String[] one = isStreams() ? new String[0] : new String[] {"num.standby.replicas", "1"};
    words.instance = words.start(one);
    Apps.Instance other = words.start(one);
    Kit.until("both have active and standby tasks", () -> words.instance.activeTasks() > 0 && words.instance.standbyTasks() > 0 && other.activeTasks() > 0 && other.standbyTasks() > 0);
    words.put(500, 0);
    words.verify();
    // Not by its lag, which is one whether the marker of the last transaction is missing or a record.
    Kit.until("the standby has caught up", () -> words.expected.equals(words.instance.countsWithStandbys()));
    long before = words.instance.restored.get();
    other.close();
    Kit.until("the standby has taken over", () -> words.instance.running() && words.instance.activeTasks() == 2 * PARTITIONS && words.expected.equals(words.instance.counts()));
    Kit.equal(words.instance.restored.get(), before);
    words.put(200, 0);
    words.verify();
    words.close();
  }

  /** Each key has three lefts and three rights, of which those at most ten seconds apart meet. */
  static void windowedJoin() throws Exception {
    String left = Kit.unique("left"), right = Kit.unique("right"), output = Kit.unique("joined"), application = Kit.unique("join");
    topics(left, right, output);
    List<String> expected = new ArrayList<>();
    int keys = 300;
    long base = Kit.HOUR_AGO;
    long[] lefts = {0, 20_000, 60_000}, rights = {10_000, 30_001, 65_000};
    for (int i = 0; i < keys; i++)
      for (long a : lefts) for (long b : rights) if (Math.abs(a - b) <= Apps.WINDOW.toMillis()) expected.add("k" + i + "=l" + a + "+r" + b);
    Topology topology = Apps.join(left, right, output);
    try (Apps.Instance instance = new Apps.Instance(topology, config(application))) {
      CompletableFuture<Void> putting = CompletableFuture.runAsync(() -> {
        try (KafkaProducer<String, String> producer = Kit.producer()) {
          for (int n = 0; n < 3; n++)
            for (int i = 0; i < keys; i++) {
              producer.send(new ProducerRecord<>(left, null, base + lefts[n], "k" + i, "l" + lefts[n]));
              producer.send(new ProducerRecord<>(right, null, base + rights[n], "k" + i, "r" + rights[n]));
              Thread.sleep(isStreams() ? 15 : 8);
            }
        } catch (Exception e) { throw new CompletionException(e); }
      });
      try (Apps.Instance other = new Apps.Instance(topology, config(application))) {
        Kit.until("both work", () -> other.activeTasks() > 0 && instance.activeTasks() > 0 && instance.activeTasks() + other.activeTasks() == PARTITIONS);
        Thread.sleep(1000);
      }
      putting.get();
      List<String> got = exactly(output, expected.size()).stream().map(each -> each.key() + "=" + each.value()).sorted().collect(Collectors.toList());
      Collections.sort(expected);
      Kit.equal(got.equals(expected), true);
      for (String name : List.of("-join-this-join-store-changelog", "-join-other-join-store-changelog")) {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, application + name);
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        Kit.equal(config.get("cleanup.policy").value(), "delete");
        Kit.equal(config.get("retention.ms").value(), String.valueOf(java.time.Duration.ofDays(2).plus(Apps.WINDOW.multipliedBy(2)).toMillis()));
      }
    }
  }
}

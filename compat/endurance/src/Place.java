import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.function.IntSupplier;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/** The directory of one workload: how its users log in, what its clients were told, and whether they shall end. */
final class Place {
  interface Body { void run() throws Exception; }

  static final long SEED = Long.getLong("seed", 1);
  private final Path directory;
  private final PrintWriter events;
  private final List<Thread> threads = new ArrayList<>();

  Place(String directory) throws IOException {
    this.directory = Path.of(directory);
    events = new PrintWriter(Files.newBufferedWriter(this.directory.resolve("events")));
  }

  /** What happened, in the order in which it became known to this process. */
  synchronized void tell(Object... words) {
    StringJoiner line = new StringJoiner(" ");
    for (Object each : words) line.add(String.valueOf(each).replaceAll("\\s+", "_"));
    events.println(line);
    events.flush();
  }

  /** No workload should ever see one of these: the verdict is lost. */
  void broken(String who, Throwable e) {
    tell("broken", who, e, e.getCause() == null ? "" : e.getCause());
    e.printStackTrace();
  }

  /** No more input: what there is gets finished. */
  boolean stopping() { return Files.exists(directory.resolve("stop")); }

  void spawn(String who, Body body) {
    Thread thread = new Thread(() -> {
      try { body.run(); } catch (Throwable e) { broken(who, e); }
    }, who);
    threads.add(thread);
    thread.start();
  }

  void join() throws InterruptedException { for (Thread each : threads) each.join(); }

  Properties login(String user, String... pairs) throws IOException {
    Properties all = new Properties();
    try (Reader reader = Files.newBufferedReader(directory.resolve(user + ".properties"))) { all.load(reader); }
    for (int i = 0; i < pairs.length; i += 2) all.put(pairs[i], pairs[i + 1]);
    return all;
  }

  KafkaProducer<String, String> producer(String user, String... pairs) throws IOException {
    return new KafkaProducer<>(login(user, pairs), new StringSerializer(), new StringSerializer());
  }

  KafkaConsumer<String, String> consumer(String user, String... pairs) throws IOException {
    return new KafkaConsumer<>(login(user, pairs), new StringDeserializer(), new StringDeserializer());
  }

  Admin admin(String user) throws IOException { return Admin.create(login(user)); }

  void write(String user, String topic, String name, int perSecond) throws Exception { write(user, topic, name, () -> perSecond); }

  /** Sends `name-0`, `name-1`, … until the input ends, at most `perSecond` of them, and tells what was acknowledged. All of it has to be. */
  void write(String user, String topic, String name, IntSupplier perSecond) throws Exception {
    Random random = new Random(SEED + name.hashCode());
    String[] codecs = {"none", "gzip", "snappy", "lz4", "zstd"};
    try (KafkaProducer<String, String> producer = producer(user, "enable.idempotence", "true", "acks", "all", "compression.type", codecs[random.nextInt(codecs.length)],
        "linger.ms", "5", "delivery.timeout.ms", "180000", "request.timeout.ms", "10000", "max.block.ms", "180000")) {
      for (long i = 0; !stopping(); i++) {
        String value = name + "-" + i;
        producer.send(new ProducerRecord<>(topic, null, "k" + random.nextInt(1000), value), (metadata, e) -> {
          if (e == null) tell("acked", metadata.partition(), metadata.offset(), value);
          else broken(name, e);
        });
        Thread.sleep(random.nextInt(2000 / perSecond.getAsInt() + 1));
      }
      producer.flush();
    }
    tell("wrote-all", name);
  }

  static <T> T get(org.apache.kafka.common.KafkaFuture<T> future) throws Exception { return future.get(30, java.util.concurrent.TimeUnit.SECONDS); }

  static Map<TopicPartition, Long> ends(Admin admin, String topic) throws Exception {
    Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
    for (var each : get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions()) asked.put(new TopicPartition(topic, each.partition()), OffsetSpec.latest());
    Map<TopicPartition, Long> ends = new HashMap<>();
    get(admin.listOffsets(asked).all()).forEach((partition, found) -> ends.put(partition, found.offset()));
    return ends;
  }

  /** A broker that is away is no answer; anything else that an admin client says is. */
  static boolean away(Throwable e) {
    Throwable root = e instanceof java.util.concurrent.ExecutionException ? e.getCause() : e;
    return root instanceof org.apache.kafka.common.errors.RetriableException || root instanceof java.util.concurrent.TimeoutException;
  }
}

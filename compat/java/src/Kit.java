import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/** What the cases of all eras share; compiles against kafka-clients 0.9 to 4. */
final class Kit {
  interface Body { void run() throws Exception; }
  interface Condition { boolean holds() throws Exception; }

  /** How long a case waits for one thing; a case may take half as long again. */
  static int patienceSeconds = 40;
  static final long HOUR_AGO = System.currentTimeMillis() - 3_600_000;
  private static final String RUN = Long.toString(System.nanoTime(), 36);
  private static int names;
  static String bootstrap;

  static String unique(String kind) { return "compat-java-" + kind + "-" + RUN + "-" + names++; }

  /** Runs one case and prints its line. */
  static void check(String name, Body body) throws InterruptedException {
    long began = System.currentTimeMillis();
    Throwable[] failure = new Throwable[1];
    Thread thread = new Thread(() -> {
      try { body.run(); } catch (Throwable e) { failure[0] = e; }
    });
    thread.setDaemon(true);
    thread.start();
    thread.join(patienceSeconds * 1500L);
    if (thread.isAlive()) System.out.println("FAIL " + name + ": still running after " + patienceSeconds * 3 / 2 + " s at " + Arrays.toString(thread.getStackTrace()).replaceAll(".*?(\\w+\\.java:\\d+)\\).*", "$1"));
    else if (failure[0] == null) System.out.println("ok " + name + " (" + (System.currentTimeMillis() - began) + " ms)");
    else System.out.println("FAIL " + name + ": " + described(failure[0]).replaceAll("\\s+", " ") + ownLine(failure[0]));
    System.out.flush();
  }

  private static String described(Throwable e) {
    Throwable root = rootOf(e);
    return root + (root.getCause() == null ? "" : " because of " + described(root.getCause()));
  }

  static Throwable rootOf(Throwable e) { return e instanceof ExecutionException && e.getCause() != null ? e.getCause() : e; }

  private static String ownLine(Throwable e) {
    for (StackTraceElement each : e.getStackTrace()) if (each.getClassName().matches("(?!Kit\\b)[A-Z].*")) return " at " + each.getFileName() + ":" + each.getLineNumber();
    return "";
  }

  static void equal(Object got, Object wanted) { if (!Objects.equals(got, wanted)) throw new AssertionError("got " + got + ", not " + wanted); }
  static void isTrue(boolean condition, String what) { if (!condition) throw new AssertionError(what); }

  static void until(String what, Condition condition) throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(patienceSeconds);
    for (; !condition.holds(); Thread.sleep(50)) if (System.nanoTime() > end) throw new AssertionError("never: " + what);
  }

  static Properties properties(String... pairs) {
    Properties all = new Properties();
    all.put("bootstrap.servers", bootstrap);
    for (int i = 0; i < pairs.length; i += 2) all.put(pairs[i], pairs[i + 1]);
    return all;
  }

  static KafkaProducer<String, String> producer(String... pairs) {
    Properties all = properties(pairs);
    // The old clients' default is 0, which is too few for a topic that is just being made; today's is this.
    all.putIfAbsent("retries", "2147483647");
    return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
  }

  static KafkaConsumer<String, String> consumer(String group, String... pairs) {
    Properties all = properties(pairs);
    all.put("group.id", group);
    all.put("auto.offset.reset", "earliest");
    all.put("enable.auto.commit", "false");
    return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
  }

  /** The clients since 4 have no poll(long), those before 2 no poll(Duration). */
  @SuppressWarnings("unchecked")
  static ConsumerRecords<String, String> poll(KafkaConsumer<String, String> consumer) throws Exception {
    final long ms = 100;
    try {
      return (ConsumerRecords<String, String>) KafkaConsumer.class.getMethod("poll", java.time.Duration.class).invoke(consumer, java.time.Duration.ofMillis(ms));
    } catch (NoSuchMethodException e) {
      return (ConsumerRecords<String, String>) KafkaConsumer.class.getMethod("poll", long.class).invoke(consumer, ms);
    } catch (java.lang.reflect.InvocationTargetException e) {
      throw (Exception) e.getCause();
    }
  }

  /** The clients since 4 have no committed(TopicPartition), those before 2.4 no committed(Set). */
  @SuppressWarnings("unchecked")
  static OffsetAndMetadata committed(KafkaConsumer<String, String> consumer, TopicPartition partition) throws Exception {
    try {
      return ((Map<TopicPartition, OffsetAndMetadata>) KafkaConsumer.class.getMethod("committed", Set.class).invoke(consumer, Collections.singleton(partition))).get(partition);
    } catch (NoSuchMethodException e) {
      return (OffsetAndMetadata) KafkaConsumer.class.getMethod("committed", TopicPartition.class).invoke(consumer, partition);
    }
  }

  static List<ConsumerRecord<String, String>> read(KafkaConsumer<String, String> consumer, int count) throws Exception {
    List<ConsumerRecord<String, String>> got = new ArrayList<>();
    until(count + " records", () -> {
      for (ConsumerRecord<String, String> each : poll(consumer)) got.add(each);
      return got.size() >= count;
    });
    equal(got.size(), count);
    return got;
  }

  static List<ConsumerRecord<String, String>> readTopic(String topic, int count) throws Exception {
    KafkaConsumer<String, String> consumer = consumer(unique("group"));
    consumer.subscribe(Collections.singletonList(topic));
    try { return read(consumer, count); } finally { consumer.close(); }
  }

  /** Values 0, 1, … to partition 0, or wherever the client likes. */
  static void send(String topic, Integer partition, int count, String... pairs) throws Exception {
    KafkaProducer<String, String> producer = producer(pairs);
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    for (int i = 0; i < count; i++) sent.add(producer.send(new ProducerRecord<String, String>(topic, partition, "k" + i, String.valueOf(i))));
    for (Future<RecordMetadata> each : sent) each.get(40, TimeUnit.SECONDS);
    producer.close();
  }

  static String repeated(int length) {
    char[] all = new char[length];
    Arrays.fill(all, 'x');
    return new String(all);
  }
}

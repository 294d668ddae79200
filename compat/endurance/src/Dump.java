import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** `Dump PROPERTIES TOPIC ISOLATION FILE`: all records of a topic, as lines of partition, offset, value. */
final class Dump {
  public static void main(String[] arguments) throws Exception {
    Properties login = new Properties();
    try (Reader reader = Files.newBufferedReader(Path.of(arguments[0]))) { login.load(reader); }
    login.put("isolation.level", arguments[2]);
    login.put("enable.auto.commit", "false");
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(login, new StringDeserializer(), new StringDeserializer());
        PrintWriter out = new PrintWriter(Files.newBufferedWriter(Path.of(arguments[3])))) {
      List<TopicPartition> partitions = new ArrayList<>();
      consumer.partitionsFor(arguments[1]).forEach(each -> partitions.add(new TopicPartition(arguments[1], each.partition())));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      long deadline = System.currentTimeMillis() + 60_000;
      while (partitions.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
        if (System.currentTimeMillis() > deadline) throw new AssertionError("not read to the end: " + ends);
        for (ConsumerRecord<String, String> each : consumer.poll(Duration.ofMillis(200))) out.println(each.partition() + " " + each.offset() + " " + each.value());
      }
    }
  }
}

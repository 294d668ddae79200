import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * What neither Kafka's performance tools nor librdkafka 2.0 can do. Prints one JSON object as its last line.
 *
 *   commits HOST:PORT TOPIC seconds perSecond gapMs     transactions of gapMs with records of 1 KiB: how long each commit takes
 *   latency HOST:PORT TOPIC warmup records              one record of 100 B at a time, acks=1: from send to poll
 *   group   HOST:PORT TOPIC members partitions rounds   a KIP-848 group until each member has its share; then one joins and leaves
 */
public final class Bench {
    private static final double NANOS = 1e9;
    private static final long GIVE_UP_SECONDS = 120;

    public static void main(String[] args) {
        int[] numbers = Arrays.stream(args).skip(3).mapToInt(Integer::parseInt).toArray();
        switch (args[0]) {
            case "commits" -> commits(args[1], args[2], numbers[0], numbers[1], numbers[2]);
            case "latency" -> latency(args[1], args[2], numbers[0], numbers[1]);
            case "group" -> new Group(args[1], args[2], numbers[1]).measure(numbers[0], numbers[2]);
            default -> throw new IllegalArgumentException(args[0]);
        }
        // Closing clients one by one is not part of any measurement.
        Runtime.getRuntime().halt(0);
    }

    private static void commits(String bootstrap, String topic, int seconds, int perSecond, int gapMs) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("transactional.id", "bench-commits");
        properties.put("linger.ms", "5");
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        producer.initTransactions();
        byte[] value = new byte[1024];
        transactions(producer, topic, value, 2, perSecond, gapMs);
        long began = System.nanoTime();
        double[] took = transactions(producer, topic, value, seconds, perSecond, gapMs);
        double all = (System.nanoTime() - began) / NANOS;
        Arrays.sort(took);
        System.out.printf("{\"commitsPerSecond\":%.3f,\"commitP50\":%.4f,\"commitP99\":%.4f}%n",
            took.length / all, took[took.length / 2] * 1e3, took[(int) (took.length * 0.99)] * 1e3);
    }

    /** In seconds, each; with a gap of 0 every record has a transaction of its own. */
    private static double[] transactions(KafkaProducer<byte[], byte[]> producer, String topic, byte[] value, int seconds, int perSecond, int gapMs) {
        List<Double> took = new ArrayList<>();
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (System.nanoTime() < end) {
            long due = System.nanoTime() + gapMs * 1_000_000L;
            producer.beginTransaction();
            do {
                producer.send(new ProducerRecord<>(topic, value));
                if (gapMs > 0) sleep(1000.0 / perSecond);
            } while (System.nanoTime() < due);
            // What the batches need is not what the commit needs.
            producer.flush();
            long before = System.nanoTime();
            producer.commitTransaction();
            took.add((System.nanoTime() - before) / NANOS);
        }
        return took.stream().mapToDouble(each -> each).toArray();
    }

    /** The next record is sent when this one has been read; the client is warm after `warmup` of them. */
    private static void latency(String bootstrap, String topic, int warmup, int records) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("acks", "1");
        // Since 4.0 the client waits 5 ms for more, by default.
        properties.put("linger.ms", "0");
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        TopicPartition partition = new TopicPartition(topic, 0);
        consumer.assign(List.of(partition));
        consumer.seekToEnd(List.of(partition));
        consumer.position(partition);
        byte[] value = new byte[100];
        double[] took = new double[records];
        for (int i = -warmup; i < records; i++) {
            long before = System.nanoTime();
            producer.send(new ProducerRecord<>(topic, 0, null, value));
            while (consumer.poll(Duration.ofSeconds(1)).isEmpty())
                if (System.nanoTime() - before > GIVE_UP_SECONDS * NANOS) throw new IllegalStateException("a record did not come back");
            if (i >= 0) took[i] = (System.nanoTime() - before) / NANOS;
        }
        Arrays.sort(took);
        System.out.printf("{\"endToEndP50\":%.4f,\"endToEndP99\":%.4f}%n", took[records / 2] * 1e3, took[(int) (records * 0.99)] * 1e3);
    }

    private static void sleep(double ms) {
        try {
            Thread.sleep((long) ms, (int) ((ms - (long) ms) * 1e6));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static final class Group {
        private final String bootstrap;
        private final String topic;
        private final int partitions;
        private final String id = "bench-" + ProcessHandle.current().pid();
        private final List<KafkaConsumer<byte[], byte[]>> members = new ArrayList<>();

        Group(String bootstrap, String topic, int partitions) {
            this.bootstrap = bootstrap;
            this.topic = topic;
            this.partitions = partitions;
        }

        void measure(int count, int rounds) {
            // What a client costs before it joins is nobody's convergence.
            for (int i = 0; i < count; i++) members.add(member());
            long began = System.nanoTime();
            for (KafkaConsumer<byte[], byte[]> member : members) member.subscribe(List.of(topic));
            double settle = settled(began);
            double changes = 0;
            for (int round = 0; round < rounds; round++) {
                KafkaConsumer<byte[], byte[]> late = member();
                members.add(late);
                began = System.nanoTime();
                late.subscribe(List.of(topic));
                changes += settled(began);
                began = System.nanoTime();
                members.remove(round % members.size()).close();
                changes += settled(began);
            }
            System.out.printf("{\"settleSeconds\":%.3f,\"changeSeconds\":%.3f}%n", settle, changes / (2 * rounds));
        }

        private KafkaConsumer<byte[], byte[]> member() {
            Properties properties = new Properties();
            properties.put("bootstrap.servers", bootstrap);
            properties.put("group.id", id);
            properties.put("group.protocol", "consumer");
            properties.put("enable.auto.commit", "false");
            return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        }

        /** Every partition has one owner, and nobody has more than its share. */
        private double settled(long began) {
            int share = (partitions + members.size() - 1) / members.size();
            while (true) {
                Set<TopicPartition> owned = new HashSet<>();
                int total = 0;
                int most = 0;
                int least = Integer.MAX_VALUE;
                for (KafkaConsumer<byte[], byte[]> member : members) {
                    member.poll(Duration.ZERO);
                    Set<TopicPartition> mine = member.assignment();
                    owned.addAll(mine);
                    total += mine.size();
                    most = Math.max(most, mine.size());
                    least = Math.min(least, mine.size());
                }
                double seconds = (System.nanoTime() - began) / NANOS;
                if (owned.size() == partitions && total == partitions && most <= share && least >= partitions / members.size()) return seconds;
                if (seconds > GIVE_UP_SECONDS)
                    throw new IllegalStateException("not settled: " + owned.size() + " partitions owned, " + least + " to " + most + " each");
                sleep(2);
            }
        }
    }
}

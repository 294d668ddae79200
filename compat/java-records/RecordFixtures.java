import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalLong;
import java.util.zip.GZIPOutputStream;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.*; // 3.9
import org.apache.kafka.common.record.Record; // 3.9
import org.apache.kafka.common.utils.BufferSupplier; // 3.9
import org.apache.kafka.common.utils.Time; // 3.9
// 4.4: import org.apache.kafka.common.record.internal.*;
// 4.4: import org.apache.kafka.common.record.internal.Record;
// 4.4: import org.apache.kafka.common.utils.internals.BufferSupplier;

/**
 * Writes batches made by Kafka's MemoryRecordsBuilder with what Kafka reads in them, or checks batches made by others.
 * One case per line: name, bytes in base64, description. A description that is long is replaced by its SHA-256.
 */
public class RecordFixtures {
    static final long T = 1_700_000_000_000L;
    static final List<String> lines = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        if (args[0].equals("write")) {
            write();
            try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(Path.of(args[1])))) {
                out.write((String.join("\n", lines) + "\n").getBytes(StandardCharsets.UTF_8));
            }
            System.out.println(lines.size() + " cases written");
        } else check(Path.of(args[1]));
    }

    static void check(Path file) throws Exception {
        int wrong = 0;
        List<String> cases = Files.readAllLines(file);
        for (String line : cases) {
            String[] parts = line.split("\t");
            String found;
            try {
                found = describe(records(Base64.getDecoder().decode(parts[1])));
            } catch (Exception e) {
                found = e.toString();
            }
            if (found.equals(parts[2])) continue;
            wrong++;
            System.out.println("WRONG " + parts[0] + "\n  expected " + parts[2] + "\n  found    " + found);
        }
        System.out.println(cases.size() + " cases read by Java, " + wrong + " wrong");
        if (wrong > 0 || cases.isEmpty()) System.exit(1);
    }

    static MemoryRecords records(byte[] bytes) {
        return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
    }

    static String describe(MemoryRecords records) throws Exception {
        StringBuilder out = new StringBuilder();
        for (MutableRecordBatch batch : records.batches()) {
            batch.ensureValid();
            out.append("batch ").append(batch.lastOffset()).append(' ').append(batch.magic()).append(' ').append(batch.compressionType().name);
            if (batch.magic() > 0) out.append(' ').append(batch.timestampType()).append(' ').append(batch.maxTimestamp());
            if (batch.magic() > 1) {
                OptionalLong horizon = batch.deleteHorizonMs();
                out.append(' ').append(batch.baseOffset()).append(' ').append(batch.partitionLeaderEpoch())
                    .append(' ').append(batch.isTransactional()).append(' ').append(batch.isControlBatch())
                    .append(' ').append(batch.producerId()).append(' ').append(batch.producerEpoch())
                    .append(' ').append(batch.baseSequence()).append(' ').append(batch.lastSequence())
                    .append(' ').append(batch.countOrNull()).append(' ').append(horizon.isPresent() ? "" + horizon.getAsLong() : "-");
            }
            out.append(';');
            for (Record record : batch) {
                out.append(record.offset()).append(' ').append(record.timestamp()).append(' ')
                    .append(hex(record.key())).append(' ').append(hex(record.value()));
                for (Header header : record.headers())
                    out.append(' ').append(header.key()).append('=').append(header.value() == null ? "-" : HexFormat.of().formatHex(header.value()));
                out.append(';');
            }
        }
        String text = out.toString();
        if (text.length() <= 600) return text;
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        return "sha256 " + HexFormat.of().formatHex(hash);
    }

    static String hex(ByteBuffer bytes) {
        if (bytes == null) return "-";
        byte[] copy = new byte[bytes.remaining()];
        bytes.get(copy);
        return "'" + HexFormat.of().formatHex(copy);
    }

    static void add(String name, MemoryRecords records) throws Exception {
        ByteBuffer buffer = records.buffer().duplicate();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        lines.add(name + "\t" + Base64.getEncoder().encodeToString(bytes) + "\t" + describe(records(bytes)));
    }

    static void write() throws Exception {
        byte oldest = 2;
        oldest = 0; // 3.9
        for (byte magic = oldest; magic <= 2; magic++)
            for (CompressionType type : CompressionType.values()) {
                if (type == CompressionType.ZSTD && magic < 2) continue;
                for (TimestampType time : new TimestampType[] {TimestampType.CREATE_TIME, TimestampType.LOG_APPEND_TIME}) {
                    if (magic == 0 && time == TimestampType.LOG_APPEND_TIME) continue;
                    String name = "v" + magic + " " + type.name + " " + time;
                    add(name + " small", small(magic, type, time, 0));
                    add(name + " at 2^40", small(magic, type, time, 1L << 40));
                }
                if (type != CompressionType.NONE || magic == 2) add("v" + magic + " " + type.name + " large", large(magic, type));
            }
        producers();
        filtered();
        converted(); // 3.9
    }

    static MemoryRecordsBuilder builder(byte magic, CompressionType type, TimestampType time, long offset, long id, int sequence, boolean tx) {
        return MemoryRecords.builder(ByteBuffer.allocate(1 << 20), magic, Compression.of(type).build(), time, offset, T + 777, id,
            (short) (id < 0 ? -1 : 3), sequence, tx, magic < 2 ? -1 : 5);
    }

    static MemoryRecords small(byte magic, CompressionType type, TimestampType time, long offset) {
        MemoryRecordsBuilder builder = builder(magic, type, time, offset, -1, -1, false);
        Header[] headers = {new RecordHeader("h", "x".getBytes()), new RecordHeader("n", null), new RecordHeader("\u00e9", new byte[0])};
        builder.append(T, "key".getBytes(), "value".getBytes(), magic < 2 ? new Header[0] : headers);
        builder.append(magic == 0 ? -1 : T + 3_000_000_000L, (byte[]) null, new byte[0]);
        builder.append(magic == 0 ? -1 : T - 5, new byte[0], null);
        builder.append(magic == 0 ? -1 : -1L, "k".repeat(70).getBytes(), "v".repeat(9000).substring(0, 130).getBytes());
        return builder.build();
    }

    static MemoryRecords large(byte magic, CompressionType type) {
        MemoryRecordsBuilder builder = builder(magic, type, TimestampType.CREATE_TIME, 1000, -1, -1, false);
        int count = type == CompressionType.NONE ? 40 : 330;
        for (int i = 0; i < count; i++) builder.append(magic == 0 ? -1 : T + i, ("key-" + i).getBytes(), ("value " + i + " ").repeat(24).getBytes());
        return builder.build();
    }

    static void producers() throws Exception {
        for (boolean tx : new boolean[] {false, true})
            for (int sequence : new int[] {0, Integer.MAX_VALUE - 1}) {
                MemoryRecordsBuilder builder = builder((byte) 2, CompressionType.NONE, TimestampType.CREATE_TIME, 10, 4_000_000_000_000L, sequence, tx);
                for (int i = 0; i < 4; i++) builder.append(T + i, "k".getBytes(), ("v" + i).getBytes());
                add("producer " + tx + " " + sequence, builder.build());
            }
        add("marker COMMIT", MemoryRecords.withEndTransactionMarker(77, T, 4, 9000, (short) 2, new EndTransactionMarker(ControlRecordType.COMMIT, 12)));
        add("marker ABORT", MemoryRecords.withEndTransactionMarker(77, T, 4, 9000, (short) 2, new EndTransactionMarker(ControlRecordType.ABORT, 12)));
    }

    /** Pairs: what goes into compaction, and what comes out when records with keys k1 and k3 and everything of producer 6 go. */
    static void filtered() throws Exception {
        for (CompressionType type : CompressionType.values()) {
            for (long id : new long[] {5, 6}) {
                MemoryRecordsBuilder builder = builder((byte) 2, type, TimestampType.CREATE_TIME, 100, id, 8, false);
                for (int i = 0; i < 5; i++) builder.append(T + i, ("k" + i).getBytes(), i == 2 ? null : ("v" + i).getBytes());
                MemoryRecords records = builder.build();
                add("compact in " + type.name + " " + id, records);
                MemoryRecords.RecordFilter filter = new MemoryRecords.RecordFilter(T + 1000, 500) {
                    @Override protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                        return new BatchRetentionResult(BatchRetention.RETAIN_EMPTY, false);
                    }
                    @Override protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                        String key = StandardCharsets.UTF_8.decode(record.key()).toString();
                        return batch.producerId() != 6 && !key.equals("k1") && !key.equals("k3");
                    }
                };
                ByteBuffer out = ByteBuffer.allocate(100_000);
                records.filterTo(new TopicPartition("t", 0), filter, out, Integer.MAX_VALUE, BufferSupplier.NO_CACHING); // 3.9
                // 4.4: records.filterTo(filter, out, BufferSupplier.NO_CACHING, Integer.MAX_VALUE);
                out.flip();
                byte[] bytes = new byte[out.remaining()];
                out.get(bytes);
                add("compact out " + type.name + " " + id, records(bytes));
            }
        }
    }

    /** Down-conversions of the v2 cases written before: name says of what, to which magic, from which offset. */ // 3.9
    static void converted() throws Exception { // 3.9
        for (String line : new ArrayList<>(lines)) { // 3.9
            String[] parts = line.split("\t"); // 3.9
            if (!parts[0].startsWith("v2 ") && !parts[0].startsWith("marker")) continue; // 3.9
            if (parts[0].contains("zstd") || parts[0].contains("large") || parts[0].contains("2^40")) continue; // 3.9
            for (byte magic = 0; magic < 2; magic++) // 3.9
                for (long from : new long[] {0, 2}) // 3.9
                    add("to " + magic + " from " + from + " of " + parts[0], records(Base64.getDecoder().decode(parts[1])).downConvert(magic, from, Time.SYSTEM).records()); // 3.9
        } // 3.9
    } // 3.9
}

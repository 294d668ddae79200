import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Enumeration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Asks Kafka's own classes what our codecs must do. Writes three files, one JSON object per line:
 *   definitions.ndjson  the fields of each message in each version, from the definitions inside the jars
 *   messages.ndjson     random messages: as JSON, and the bytes that Kafka's generated class makes of them
 *   errors.ndjson       the error table
 * The same seed gives the same files. Usage: java -cp 'jars/*' Fixtures.java OUTPUT_DIRECTORY
 */
public class Fixtures {
    static final int SAMPLES = 4;
    static final ObjectMapper MAPPER = new ObjectMapper().configure(JsonParser.Feature.ALLOW_COMMENTS, true);
    static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    /** Values come from small pools, so that the files compress well; a pool has far more values than a struct has neighbours alike. */
    static final List<String> STRINGS = new ArrayList<>(List.of("", "a", "orders", "größe", "日本語", "🙂 smile", "x".repeat(130)));
    static final List<String> UUIDS = new ArrayList<>(List.of("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAQ"));

    public static void main(String[] args) throws Exception {
        Random pools = new Random(7);
        for (int i = 0; i < 12; i++) STRINGS.add("text-" + Integer.toString(pools.nextInt(1 << 20), 36));
        for (int i = 0; i < 6; i++) UUIDS.add(base64(pools, 16, Base64.getUrlEncoder().withoutPadding()));
        Path out = Path.of(args[0]);
        Files.createDirectories(out);
        try (PrintWriter definitions = new PrintWriter(out.resolve("definitions.ndjson").toFile(), StandardCharsets.UTF_8);
             PrintWriter messages = new PrintWriter(out.resolve("messages.ndjson").toFile(), StandardCharsets.UTF_8);
             PrintWriter errors = new PrintWriter(out.resolve("errors.ndjson").toFile(), StandardCharsets.UTF_8)) {
            for (JsonNode spec : specs().values()) write(spec, definitions, messages);
            for (Errors error : Errors.values()) {
                boolean retriable = error.exception() instanceof org.apache.kafka.common.errors.RetriableException;
                errors.println(NODES.objectNode().put("code", error.code()).put("name", error.name()).put("retriable", retriable));
            }
        }
    }

    static void write(JsonNode spec, PrintWriter definitions, PrintWriter messages) throws Exception {
        int[] valid = range(spec.path("validVersions").asText("none"));
        if (valid == null) return;
        int[] flexible = range(spec.path("flexibleVersions").asText("none"));
        Map<String, JsonNode> structs = new TreeMap<>();
        for (JsonNode struct : spec.path("commonStructs")) structs.put(struct.get("name").asText(), struct.get("fields"));
        String name = spec.get("name").asText();
        Class<?> type = classOf(spec);
        Random random = new Random(name.hashCode());
        for (int version = valid[0]; version <= valid[1]; version++) {
            ArrayNode fields = NODES.arrayNode();
            describe("", spec.path("fields"), structs, version, valid, fields);
            ObjectNode line = NODES.objectNode().put("message", name).put("version", version);
            line.put("flexible", contains(flexible, version));
            definitions.println(line.<ObjectNode>set("fields", fields));
            for (int i = 0; i < SAMPLES; i++) {
                JsonNode json = randomStruct(spec.path("fields"), structs, version, random, 0);
                messages.println(sample(name, type, version, json));
            }
        }
    }

    static ObjectNode sample(String name, Class<?> type, int version, JsonNode json) throws Exception {
        Class<?> converter = Class.forName(type.getName() + "JsonConverter");
        Message message = (Message) converter.getMethod("read", JsonNode.class, short.class).invoke(null, json, (short) version);
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, (short) version));
        message.write(new ByteBufferAccessor(buffer), cache, (short) version);
        Message back = (Message) type.getConstructor().newInstance();
        back.read(new ByteBufferAccessor(ByteBuffer.wrap(buffer.array())), (short) version);
        Method write = converter.getMethod("write", type, short.class, boolean.class);
        JsonNode written = (JsonNode) write.invoke(null, back, (short) version, true);
        ObjectNode line = NODES.objectNode().put("message", name).put("version", version);
        line.put("bytes", HexFormat.of().formatHex(buffer.array()));
        copyBinary(json, written);
        return line.set("json", written);
    }

    /** Kafka's converter writes record batches as empty; what went in has them. Both trees have the same shape. */
    static void copyBinary(JsonNode from, JsonNode to) {
        for (int i = 0; to.isArray() && i < to.size(); i++) copyBinary(from.get(i), to.get(i));
        for (Map.Entry<String, JsonNode> field : to.properties()) {
            JsonNode source = from.get(field.getKey());
            if (field.getValue().isBinary()) field.setValue(source);
            else if (source != null) copyBinary(source, field.getValue());
        }
    }

    static Class<?> classOf(JsonNode spec) throws ClassNotFoundException {
        String name = spec.get("name").asText();
        String kind = spec.get("type").asText();
        if (kind.equals("request") || kind.equals("response") || kind.equals("header")) name += "Data";
        for (String group : List.of("common.message", "common.metadata", "coordinator.group.generated", "coordinator.share.generated", "coordinator.transaction.generated")) {
            try {
                return Class.forName("org.apache.kafka." + group + "." + name);
            } catch (ClassNotFoundException e) {
                // in one of the other packages
            }
        }
        throw new ClassNotFoundException(name);
    }

    static Map<String, JsonNode> specs() throws Exception {
        Map<String, JsonNode> specs = new TreeMap<>();
        for (String path : System.getProperty("java.class.path").split(":")) {
            if (!path.endsWith(".jar")) continue;
            try (JarFile jar = new JarFile(path)) {
                for (Enumeration<JarEntry> entries = jar.entries(); entries.hasMoreElements();) {
                    JarEntry entry = entries.nextElement();
                    if (!entry.getName().matches("common/(message|metadata)/.*\\.json")) continue;
                    JsonNode spec = MAPPER.readTree(jar.getInputStream(entry));
                    specs.put(spec.get("name").asText(), spec);
                }
            }
        }
        return specs;
    }

    // ---- definitions

    static void describe(String prefix, JsonNode fields, Map<String, JsonNode> structs, int version, int[] valid, ArrayNode out) {
        for (JsonNode field : fields) {
            int[] versions = versionsOf(field);
            if (versions == null || versions[0] > valid[1] || versions[1] < valid[0]) continue;
            String path = prefix + camel(field.get("name").asText());
            String type = field.get("type").asText();
            String element = type.startsWith("[]") ? type.substring(2) : type;
            boolean struct = Character.isUpperCase(element.charAt(0));
            String shown = (type.startsWith("[]") ? "[]" : "") + (struct ? "struct" : element);
            boolean present = contains(versions, version);
            ObjectNode line = NODES.objectNode().put("path", path).put("type", shown);
            line.put("place", !present ? "absent" : contains(range(field.path("taggedVersions").asText("none")), version) ? "tagged" : "inline");
            line.put("default", defaultOf(field, shown));
            if (present) line.put("nullable", contains(range(field.path("nullableVersions").asText("none")), version));
            if (present && line.get("place").asText().equals("tagged")) line.put("tag", field.get("tag").asInt());
            if (!present) line.put("ignorable", field.path("ignorable").asBoolean(false));
            out.add(line);
            if (struct && present) describe(path + ".", children(field, element, structs), structs, version, valid, out);
        }
    }

    static String defaultOf(JsonNode field, String type) {
        // A JSON null is no default to Kafka's generator; only the text "null" is.
        JsonNode given = field.hasNonNull("default") ? field.get("default") : null;
        if (given != null && given.asText().equals("null")) return "null";
        if (type.equals("string")) return "\"" + (given == null ? "" : given.asText()) + "\"";
        if (type.equals("bool")) return given == null ? "false" : given.asText();
        if (type.matches("u?int\\d+")) return given == null ? "0" : Long.decode(given.asText()).toString();
        if (type.equals("float64")) return given == null ? "0" : given.asText();
        return type.equals("records") ? "null" : "empty";
    }

    static JsonNode children(JsonNode field, String element, Map<String, JsonNode> structs) {
        return field.has("fields") ? field.get("fields") : structs.get(element);
    }

    static int[] versionsOf(JsonNode field) {
        return range(field.has("versions") ? field.get("versions").asText() : field.path("taggedVersions").asText("none"));
    }

    static String camel(String name) {
        return Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    static int[] range(String text) {
        if (text.equals("none")) return null;
        if (text.endsWith("+")) return new int[] {Integer.parseInt(text.substring(0, text.length() - 1)), Integer.MAX_VALUE};
        String[] ends = text.split("-");
        return new int[] {Integer.parseInt(ends[0]), Integer.parseInt(ends[ends.length - 1])};
    }

    static boolean contains(int[] range, int version) {
        return range != null && version >= range[0] && version <= range[1];
    }

    // ---- random messages

    static ObjectNode randomStruct(JsonNode fields, Map<String, JsonNode> structs, int version, Random random, int depth) {
        ObjectNode node = NODES.objectNode();
        for (JsonNode field : fields) {
            if (!contains(versionsOf(field), version)) continue;
            boolean tagged = contains(range(field.path("taggedVersions").asText("none")), version);
            if (tagged && random.nextInt(3) == 0) continue;
            boolean nullable = contains(range(field.path("nullableVersions").asText("none")), version);
            String name = camel(field.get("name").asText());
            node.set(name, nullable && random.nextInt(4) == 0 ? NullNode.instance : randomValue(field, structs, version, random, depth));
        }
        return node;
    }

    static JsonNode randomValue(JsonNode field, Map<String, JsonNode> structs, int version, Random random, int depth) {
        String type = field.get("type").asText();
        if (!type.startsWith("[]")) return randomElement(field, type, structs, version, random, depth);
        ArrayNode array = NODES.arrayNode();
        for (int left = random.nextInt(depth > 1 ? 3 : 4); left > 0; left--) {
            array.add(randomElement(field, type.substring(2), structs, version, random, depth + 1));
        }
        return array;
    }

    static JsonNode randomElement(JsonNode field, String type, Map<String, JsonNode> structs, int version, Random random, int depth) {
        switch (type) {
            case "bool": return NODES.booleanNode(random.nextBoolean());
            case "int8": return NODES.numberNode((byte) randomInt(random, 8));
            case "int16": return NODES.numberNode((short) randomInt(random, 16));
            case "uint16": return NODES.numberNode((int) (randomInt(random, 16) & 0xffff));
            case "int32": return NODES.numberNode((int) randomInt(random, 32));
            case "uint32": return NODES.numberNode(randomInt(random, 32) & 0xffffffffL);
            case "int64": return NODES.numberNode(randomInt(random, 54));
            case "float64": return NODES.numberNode(List.of(0.0, -1.5, 1e300, 0.1, Double.MIN_VALUE, 12345.678).get(random.nextInt(6)));
            case "string": return NODES.textNode(STRINGS.get(random.nextInt(STRINGS.size())));
            case "uuid": return NODES.textNode(UUIDS.get(random.nextInt(UUIDS.size())));
            case "bytes":
            case "records": return NODES.textNode(randomBytes(random));
            default: return randomStruct(children(field, type, structs), structs, version, random, depth);
        }
    }

    /** A signed number of that many bits: often an extreme, else one of a few; two's complement, so callers may cut it. */
    static long randomInt(Random random, int bits) {
        long max = (1L << (bits - 1)) - 1;
        long[] extremes = {0, 1, -1, max, bits == 54 ? -max : -max - 1};
        if (random.nextInt(4) == 0) return extremes[random.nextInt(extremes.length)];
        return (0x9e3779b97f4a7c15L * (1 + random.nextInt(40))) >>> (64 - bits) & max;
    }

    static String randomBytes(Random random) {
        int[] lengths = {0, 1, 3, 17, 200};
        byte[] bytes = new byte[lengths[random.nextInt(lengths.length)]];
        int first = random.nextInt(256);
        for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) (first + i);
        return Base64.getEncoder().encodeToString(bytes);
    }

    static String base64(Random random, int length, Base64.Encoder encoder) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return encoder.encodeToString(bytes);
    }
}

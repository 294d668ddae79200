import com.google.protobuf.Descriptors;
import com.google.protobuf.DynamicMessage;
import io.confluent.kafka.schemaregistry.ParsedSchema;
import io.confluent.kafka.schemaregistry.avro.AvroSchema;
import io.confluent.kafka.schemaregistry.avro.AvroSchemaProvider;
import io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.SchemaMetadata;
import io.confluent.kafka.schemaregistry.client.SchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.rest.entities.SchemaReference;
import io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import io.confluent.kafka.schemaregistry.json.JsonSchemaProvider;
import io.confluent.kafka.schemaregistry.protobuf.ProtobufSchema;
import io.confluent.kafka.schemaregistry.protobuf.ProtobufSchemaProvider;
import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import io.confluent.kafka.serializers.KafkaAvroSerializer;
import io.confluent.kafka.serializers.json.KafkaJsonSchemaDeserializer;
import io.confluent.kafka.serializers.json.KafkaJsonSchemaSerializer;
import io.confluent.kafka.serializers.protobuf.KafkaProtobufDeserializer;
import io.confluent.kafka.serializers.protobuf.KafkaProtobufSerializer;
import java.util.*;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Confluent's serializers and registry client for Java, each value through a topic and back. */
public final class Serdes {
  static String url;

  public static final class Person {
    public String name;
    public int age;
    public Person() {}
    Person(String name, int age) { this.name = name; this.age = age; }
  }

  static final String X = "{\"name\":\"x\",\"type\":\"int\"}";
  static final String Y = "{\"name\":\"y\",\"type\":\"string\",\"default\":\"\"}";
  static final String Z = "{\"name\":\"z\",\"type\":\"string\"}";

  static AvroSchema record(String... fields) {
    return new AvroSchema("{\"type\":\"record\",\"name\":\"R\",\"fields\":[" + String.join(",", fields) + "]}");
  }

  static SchemaRegistryClient client() {
    return new CachedSchemaRegistryClient(Collections.singletonList(url), 100,
        Arrays.asList(new AvroSchemaProvider(), new JsonSchemaProvider(), new ProtobufSchemaProvider()), new HashMap<String, Object>());
  }

  static Map<String, Object> config(Object... pairs) {
    Map<String, Object> all = new HashMap<>();
    all.put("schema.registry.url", url);
    for (int i = 0; i < pairs.length; i += 2) all.put((String) pairs[i], pairs[i + 1]);
    return all;
  }

  /** What comes back from the topic; its first byte is the magic one. */
  static byte[] throughTopic(String topic, byte[] value) throws Exception {
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(Kit.properties(), new ByteArraySerializer(), new ByteArraySerializer())) {
      producer.send(new ProducerRecord<>(topic, value)).get();
    }
    List<byte[]> found = new ArrayList<>();
    Properties reading = Kit.properties("group.id", topic, "auto.offset.reset", "earliest");
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(reading, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(Collections.singletonList(topic));
      Kit.until("the record comes back", () -> {
        for (ConsumerRecord<byte[], byte[]> each : consumer.poll(java.time.Duration.ofMillis(200))) found.add(each.value());
        return !found.isEmpty();
      });
    }
    Kit.equal(found.get(0)[0], (byte) 0);
    return found.get(0);
  }

  static void refused(int code, Kit.Body body) throws Exception {
    try {
      body.run();
    } catch (RestClientException e) {
      Kit.equal(e.getErrorCode(), code);
      return;
    }
    throw new AssertionError("it worked");
  }

  public static void main(String[] args) throws Exception {
    Kit.bootstrap = args[0];
    url = args[1];
    Kit.check("avro", Serdes::avro);
    Kit.check("avro/use-latest", Serdes::useLatest);
    Kit.check("avro/references", Serdes::references);
    Kit.check("json", Serdes::json);
    Kit.check("protobuf", Serdes::protobuf);
    Kit.check("subjects", Serdes::subjects);
    Kit.check("compatibility", Serdes::compatibility);
    Kit.check("mode", Serdes::mode);
    System.exit(0);
  }

  static void avro() throws Exception {
    String topic = Kit.unique("registry");
    GenericRecord value = new GenericData.Record(record(X, Y).rawSchema());
    value.put("x", 7);
    value.put("y", "seven");
    KafkaAvroSerializer serializer = new KafkaAvroSerializer();
    serializer.configure(config(), false);
    byte[] bytes = throughTopic(topic, serializer.serialize(topic, value));
    KafkaAvroDeserializer deserializer = new KafkaAvroDeserializer();
    deserializer.configure(config(), false);
    GenericRecord got = (GenericRecord) deserializer.deserialize(topic, bytes);
    Kit.equal(got.get("x"), 7);
    Kit.equal(got.get("y").toString(), "seven");
  }

  static void useLatest() throws Exception {
    String topic = Kit.unique("registry");
    client().register(topic + "-value", record(X, Y));
    GenericRecord value = new GenericData.Record(record(X).rawSchema());
    value.put("x", 7);
    Map<String, Object> config = config("auto.register.schemas", false, "use.latest.version", true, "latest.compatibility.strict", false);
    KafkaAvroSerializer serializer = new KafkaAvroSerializer();
    serializer.configure(config, false);
    GenericRecord whole = new GenericData.Record(record(X, Y).rawSchema());
    whole.put("x", 8);
    whole.put("y", "");
    byte[] bytes = serializer.serialize(topic, whole);
    KafkaAvroDeserializer deserializer = new KafkaAvroDeserializer();
    deserializer.configure(config(), false);
    Kit.equal(((GenericRecord) deserializer.deserialize(topic, bytes)).get("x"), 8);
    // Without registering, what is not there is an error.
    KafkaAvroSerializer strict = new KafkaAvroSerializer();
    strict.configure(config("auto.register.schemas", false), false);
    try {
      strict.serialize(topic, value);
    } catch (RuntimeException e) {
      Kit.equal(((RestClientException) e.getCause()).getErrorCode(), 40403);
      return;
    }
    throw new AssertionError("it worked");
  }

  static void references() throws Exception {
    String base = Kit.unique("base"), subject = Kit.unique("references");
    SchemaRegistryClient client = client();
    client.register(base, new AvroSchema("{\"type\":\"enum\",\"name\":\"E\",\"namespace\":\"n\",\"symbols\":[\"A\"]}"));
    List<SchemaReference> references = Collections.singletonList(new SchemaReference("n.E", base, 1));
    String text = "{\"type\":\"record\",\"name\":\"U\",\"fields\":[{\"name\":\"e\",\"type\":\"n.E\"}]}";
    ParsedSchema schema = client.parseSchema("AVRO", text, references).get();
    int id = client.register(subject, schema);
    Kit.equal(client().getSchemaById(id).references(), references);
    refused(42206, () -> client.deleteSubject(base));
  }

  static void json() throws Exception {
    String topic = Kit.unique("registry");
    KafkaJsonSchemaSerializer<Person> serializer = new KafkaJsonSchemaSerializer<>();
    serializer.configure(config("json.fail.invalid.schema", true), false);
    byte[] bytes = throughTopic(topic, serializer.serialize(topic, new Person("Ada", 36)));
    KafkaJsonSchemaDeserializer<Person> deserializer = new KafkaJsonSchemaDeserializer<>();
    deserializer.configure(config("json.value.type", Person.class.getName(), "json.fail.invalid.schema", true), false);
    Person got = deserializer.deserialize(topic, bytes);
    Kit.equal(got.name + got.age, "Ada36");
  }

  static void protobuf() throws Exception {
    String topic = Kit.unique("registry");
    ProtobufSchema schema = new ProtobufSchema("syntax = \"proto3\"; package c; import \"google/protobuf/timestamp.proto\";"
        + " message Order { int64 id = 1; google.protobuf.Timestamp at = 2; map<string, string> tags = 3; } message Other {}");
    Descriptors.Descriptor type = schema.toDescriptor("c.Order");
    DynamicMessage value = DynamicMessage.newBuilder(type).setField(type.findFieldByName("id"), Long.MAX_VALUE).build();
    KafkaProtobufSerializer<DynamicMessage> serializer = new KafkaProtobufSerializer<>();
    serializer.configure(config(), false);
    byte[] bytes = throughTopic(topic, serializer.serialize(topic, value));
    KafkaProtobufDeserializer<DynamicMessage> deserializer = new KafkaProtobufDeserializer<>();
    deserializer.configure(config(), false);
    DynamicMessage got = deserializer.deserialize(topic, bytes);
    Kit.equal(got.getField(got.getDescriptorForType().findFieldByName("id")), Long.MAX_VALUE);
  }

  static void subjects() throws Exception {
    String subject = Kit.unique("subjects");
    SchemaRegistryClient client = client();
    client.updateCompatibility(subject, "NONE");
    int first = client.register(subject, record(X));
    int second = client.register(subject, record(Z));
    Kit.equal(client.getAllVersions(subject), Arrays.asList(1, 2));
    Kit.isTrue(client.getAllSubjects().contains(subject), "it is listed");
    Kit.equal(client().getId(subject, record(X)), first);
    Kit.equal(client().getVersion(subject, record(Z)), 2);
    SchemaMetadata latest = client().getLatestSchemaMetadata(subject);
    Kit.equal(latest.getId(), second);
    Kit.equal(client().getSchemaById(first), record(X));
    Kit.equal(client.deleteSchemaVersion(subject, "1"), 1);
    Kit.equal(client.deleteSubject(subject), Collections.singletonList(2));
    Kit.equal(client.deleteSubject(subject, true), Arrays.asList(1, 2));
    refused(40401, () -> client().getAllVersions(subject));
  }

  static void compatibility() throws Exception {
    String subject = Kit.unique("compatibility");
    SchemaRegistryClient client = client();
    client.register(subject, record(X));
    Kit.equal(client.testCompatibility(subject, record(X, Z)), false);
    Kit.equal(client.testCompatibility(subject, record(X, Y)), true);
    Kit.isTrue(client.testCompatibilityVerbose(subject, record(X, Z)).get(0).contains("READER_FIELD_MISSING_DEFAULT_VALUE"), "it says why");
    refused(409, () -> client.register(subject, record(X, Z)));
    Kit.equal(client.updateCompatibility(subject, "FULL"), "FULL");
    Kit.equal(client.getCompatibility(subject), "FULL");
  }

  static void mode() throws Exception {
    String subject = Kit.unique("mode");
    SchemaRegistryClient client = client();
    Kit.equal(client.setMode("READONLY", subject), "READONLY");
    refused(42205, () -> client.register(subject, record(X)));
    Kit.equal(client.setMode("IMPORT", subject), "IMPORT");
    int id = 1_900_000_000 + new Random().nextInt(100_000);
    Kit.equal(client.register(subject, record(X), 3, id), id);
    Kit.equal(client.getVersion(subject, record(X)), 3);
    Kit.equal(client.setMode("READWRITE", subject), "READWRITE");
  }
}

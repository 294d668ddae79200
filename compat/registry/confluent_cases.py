"""confluent-kafka's registry client and its serializers: Avro, JSON Schema and Protobuf, through a topic and back."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'python'))

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, timestamp_pb2

from kit import ADDRESS, case, equal, refuses, run, unique, until

URL = sys.argv[2]
client = SchemaRegistryClient({'url': URL})


def record(name, *fields):
    return '{"type":"record","name":"%s","fields":[%s]}' % (name, ','.join(fields))


X = '{"name":"x","type":"int"}'
Y = '{"name":"y","type":"string","default":""}'


def there_and_back(serialize, deserialize, value):
    """Through a topic; the schema of the key too."""
    topic = unique('registry')
    context = SerializationContext(topic, MessageField.VALUE)
    producer = Producer({'bootstrap.servers': ADDRESS})
    producer.produce(topic, value=serialize(value, context))
    producer.flush(30)
    consumer = Consumer({'bootstrap.servers': ADDRESS, 'group.id': topic, 'auto.offset.reset': 'earliest'})
    consumer.subscribe([topic])
    found = []
    until('the record comes back', lambda: (lambda m: m is not None and m.error() is None and found.append(m.value()) is None)(consumer.poll(0.5)))
    consumer.close()
    equal(found[0][0], 0)
    return topic, deserialize(found[0], context)


def order_class():
    """What a compiler would make of a file with a map and an import."""
    assert timestamp_pb2.DESCRIPTOR is not None
    file = text_format.Parse(
        """name: "compat/order.proto" package: "compat" syntax: "proto3" dependency: "google/protobuf/timestamp.proto"
        message_type { name: "Order"
          field { name: "id" number: 1 label: LABEL_OPTIONAL type: TYPE_INT64 }
          field { name: "at" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" }
          field { name: "tags" number: 3 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".compat.Order.TagsEntry" }
          nested_type { name: "TagsEntry" options { map_entry: true }
            field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
            field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING } } }""",
        descriptor_pb2.FileDescriptorProto(),
    )
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName('compat.Order'))


@case('avro')
def avro():
    schema = record('n.User', '{"name":"name","type":"string"}', '{"name":"age","type":["null","long"],"default":null}')
    topic, got = there_and_back(AvroSerializer(client, schema), AvroDeserializer(SchemaRegistryClient({'url': URL})), {'name': 'ä', 'age': 2**53 + 1})
    equal(got, {'name': 'ä', 'age': 2**53 + 1})
    equal(client.get_latest_version(f'{topic}-value').version, 1)


@case('avro/use-latest')
def avro_use_latest():
    topic = unique('latest')
    client.register_schema(f'{topic}-value', Schema(record('R', X, Y), 'AVRO'))
    serialize = AvroSerializer(client, conf={'auto.register.schemas': False, 'use.latest.version': True})
    context = SerializationContext(topic, MessageField.VALUE)
    got = AvroDeserializer(client)(serialize({'x': 1, 'y': 'b'}, context), context)
    equal(got, {'x': 1, 'y': 'b'})


@case('avro/references')
def avro_references():
    base, user = unique('base'), unique('user')
    client.register_schema(base, Schema('{"type":"enum","name":"n.E","symbols":["A","B"]}', 'AVRO'))
    schema = Schema(record('n.R', '{"name":"e","type":"n.E"}'), 'AVRO', [SchemaReference('n.E', base, 1)])
    context = SerializationContext(user, MessageField.VALUE)
    payload = AvroSerializer(client, schema)({'e': 'B'}, context)
    equal(AvroDeserializer(SchemaRegistryClient({'url': URL}))(payload, context), {'e': 'B'})
    refuses('delete what is referred to', lambda: client.delete_subject(base), lambda e: e.error_code == 42206)


@case('avro/not-registered')
def avro_not_registered():
    serialize = AvroSerializer(client, record('R', X), conf={'auto.register.schemas': False})
    context = SerializationContext(unique('none'), MessageField.VALUE)
    refuses('an unknown subject', lambda: serialize({'x': 1}, context), lambda e: '40401' in str(e) or getattr(e, 'error_code', 0) == 40401)


@case('json')
def json():
    schema = '{"$schema":"http://json-schema.org/draft-07/schema#","title":"P","type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}'
    _, got = there_and_back(JSONSerializer(schema, client), JSONDeserializer(schema), {'a': 5})
    equal(got, {'a': 5})
    _, got = there_and_back(JSONSerializer(schema, client), JSONDeserializer(None, schema_registry_client=client), {'a': 6})
    equal(got, {'a': 6})


@case('protobuf')
def protobuf():
    Order = order_class()
    order = Order(id=2**53 + 1, tags={'a': 'b'})
    order.at.FromSeconds(3)
    conf = {'use.deprecated.format': False}
    topic, got = there_and_back(ProtobufSerializer(Order, client, conf), ProtobufDeserializer(Order, conf), order)
    equal(got, order)
    # The serializer sends descriptors; what the registry makes of them is text, unless it is asked for them.
    latest = client.get_latest_version(f'{topic}-value')
    equal('map<string, string> tags = 3;' in latest.schema.schema_str, True)
    # With the registry, which is asked for the descriptor.
    _, got = there_and_back(ProtobufSerializer(Order, client, conf), ProtobufDeserializer(Order, conf, SchemaRegistryClient({'url': URL})), order)
    equal(got, order)


@case('subjects')
def subjects():
    subject = unique('subjects')
    client.set_compatibility(subject, 'NONE')
    first = client.register_schema(subject, Schema(record('R', X), 'AVRO'))
    second = client.register_schema(subject, Schema(record('R', Y), 'AVRO'))
    equal(client.get_versions(subject), [1, 2])
    equal(subject in client.get_subjects(), True)
    equal(client.get_version(subject, 1).schema_id, first)
    equal(client.get_version(subject, 'latest').schema_id, second)
    equal(client.get_schema(first).schema_str, record('R', X))
    equal(client.lookup_schema(subject, Schema(record('R', X), 'AVRO')).version, 1)
    equal(client.delete_version(subject, 1), 1)
    equal(client.delete_subject(subject), [2])
    equal(client.delete_subject(subject, permanent=True), [1, 2])
    refuses('an unknown subject', lambda: client.get_versions(subject), lambda e: (e.http_status_code, e.error_code) == (404, 40401))


@case('compatibility')
def compatibility():
    subject = unique('compatibility')
    client.register_schema(subject, Schema(record('R', X), 'AVRO'))
    breaking = Schema(record('R', '{"name":"z","type":"int"}'), 'AVRO')
    equal(client.test_compatibility(subject, breaking), False)
    equal(client.test_compatibility(subject, Schema(record('R', X, Y), 'AVRO')), True)
    try:
        client.register_schema(subject, breaking)
        raise AssertionError('it was registered')
    except SchemaRegistryError as e:
        equal((e.http_status_code, e.error_code), (409, 409))
        equal(e.error_message.startswith('Schema being registered is incompatible with an earlier schema for subject'), True)
    equal(client.set_compatibility(subject, 'FORWARD')['compatibility'], 'FORWARD')
    equal(client.get_compatibility(subject), 'FORWARD')
    refuses('a wrong level', lambda: client.set_compatibility(subject, 'SIDEWAYS'), lambda e: e.error_code == 42203)
    refuses('a broken schema', lambda: client.register_schema(subject, Schema('{', 'AVRO')), lambda e: e.error_code == 42201)


@case('config')
def config():
    from confluent_kafka.schema_registry import ConfigCompatibilityLevel, ServerConfig

    subject = unique('config')
    client.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel.FULL, compatibility_group='major'))
    got = client.get_config(subject)
    equal((str(got.compatibility_level).split('.')[-1], got.compatibility_group), ('FULL', 'major'))


@case('metadata')
def metadata():
    from confluent_kafka.schema_registry import Metadata, MetadataProperties, Rule, RuleKind, RuleMode, RuleSet

    subject = unique('metadata')
    rules = RuleSet(None, [Rule('r', '', RuleKind.CONDITION, RuleMode.WRITE, 'CEL', None, None, "message.x > 0", None, None, False)])
    schema = Schema(record('R', X), 'AVRO', [], Metadata(None, MetadataProperties({'owner': 'me'}), None), rules)
    client.register_schema(subject, schema)
    got = client.get_latest_with_metadata(subject, {'owner': 'me'})
    equal((got.version, got.schema.metadata.properties.properties), (1, {'owner': 'me'}))
    equal(got.schema.rule_set.domain_rules[0].expr, 'message.x > 0')


run()

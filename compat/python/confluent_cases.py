"""confluent-kafka: librdkafka, the client that most languages stand on."""
import threading

from confluent_kafka import ConsumerGroupTopicPartitions, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec

from confluent_kit import BASE, admin, new_topic, numbers, of, read, send
from kit import HOUR_AGO, case, equal, run, unique, until


def round_trip(codec):
    def body():
        topic, values = new_topic(2), [b'%d-' % i + b'x' * 100 for i in range(500)]
        send(topic, [{'key': b'k', 'value': value} for value in values], compression_type=codec, linger_ms=20)
        equal(sorted(message.value() for message in read(topic, 500)), sorted(values))
    return body


for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd'):
    case('roundtrip' if codec == 'none' else codec)(round_trip(codec))


@case('headers')
def headers():
    topic = new_topic()
    send(topic, [{'key': None, 'value': None, 'headers': [('a', b'1'), ('a', None)]}])
    message = read(topic, 1)[0]
    equal((message.key(), message.value(), message.headers()), (None, None, [('a', b'1'), ('a', None)]))


@case('big-record')
def big_record():
    topic = new_topic(max_message_bytes='500000')
    send(topic, [{'value': b'x' * 499_000}])
    equal(len(read(topic, 1)[0].value()), 499_000)


@case('too-big-record')
def too_big_record():
    topic = new_topic(max_message_bytes='500000')
    try:
        send(topic, [{'value': b'x' * 501_000}])
    except KafkaException as e:
        equal(e.args[0].code(), KafkaError.MSG_SIZE_TOO_LARGE)
    else:
        raise AssertionError('it was accepted')


@case('idempotent')
def idempotent():
    topic = new_topic()
    send(topic, [{'value': str(i).encode()} for i in range(1000)], enable_idempotence=True, batch_num_messages=10)
    equal([int(message.value()) for message in read(topic, 1000)], list(range(1000)))


def record_errors(codec):
    """librdkafka's own test 0011: without a key into a compacted topic, just those records fail as such."""
    def body():
        topic, errors = new_topic(cleanup_policy='compact'), {}
        producer = Producer({**BASE, 'linger.ms': 1000, 'compression.type': codec})
        for i in range(100):
            producer.produce(topic, b'value', None if i % 10 == 0 else b'key', on_delivery=lambda e, _, i=i: errors.update({i: e.code() if e else 0}))
        equal(producer.flush(30), 0)
        different_record = -138
        equal(errors, {i: KafkaError.INVALID_RECORD if i % 10 == 0 else different_record for i in range(100)})
        send(topic, [{'key': b'key', 'value': b'value'}], compression_type=codec)
        equal(read(topic, 1)[0].offset(), 0)
    return body


for codec in ('none', 'zstd'):
    case(f'record-errors-{codec}')(record_errors(codec))


def rebalance(assignor):
    def body():
        topic, group = new_topic(6), unique('group')
        assigned, leave = [0, 0], [threading.Event(), threading.Event()]

        def member(me):
            consumer = Consumer({**BASE, 'group.id': group, 'partition.assignment.strategy': assignor, 'heartbeat.interval.ms': 300, 'session.timeout.ms': 10000})
            consumer.subscribe([topic])
            while not leave[me].is_set():
                consumer.poll(0.1)
                assigned[me] = len(consumer.assignment())
            consumer.close()
            assigned[me] = 0
        threads = [threading.Thread(target=member, args=(i,), daemon=True) for i in range(2)]
        threads[0].start()
        until(lambda: f'one has all: {assigned}', lambda: assigned == [6, 0])
        threads[1].start()
        until(lambda: f'three each: {assigned}', lambda: assigned == [3, 3])
        leave[0].set()
        until(lambda: f'the one left has all: {assigned}', lambda: assigned == [0, 6])
        leave[1].set()
        threads[1].join(10)
    return body


case('group-rebalance')(rebalance('range'))
case('cooperative-rebalance')(rebalance('cooperative-sticky'))


@case('commit-resume')
def commit_resume():
    topic, group = new_topic(), unique('group')
    numbers(topic, 10)
    consumer = Consumer({**BASE, 'group.id': group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 6)], asynchronous=False)
    equal(consumer.committed([TopicPartition(topic, 0)], 10)[0].offset, 6)
    consumer.close()
    equal(read(topic, 4, group)[0].offset(), 6)


@case('seek')
def seek():
    topic = new_topic()
    numbers(topic, 50)
    consumer = Consumer({**BASE, 'group.id': unique('group')})
    consumer.assign([TopicPartition(topic, 0, 40)])
    equal(consumer.consume(1, 10)[0].offset(), 40)
    consumer.seek(TopicPartition(topic, 0, 5))
    equal(consumer.consume(1, 10)[0].offset(), 5)
    consumer.close()


@case('time-lookup')
def time_lookup():
    topic = new_topic()
    send(topic, [{'value': b'v', 'timestamp': HOUR_AGO + i * 10} for i in range(50)])
    consumer = Consumer({**BASE, 'group.id': unique('group')})
    equal(consumer.get_watermark_offsets(TopicPartition(topic, 0), 10), (0, 50))
    equal(consumer.offsets_for_times([TopicPartition(topic, 0, HOUR_AGO + 205)], 10)[0].offset, 21)
    consumer.close()
    partition = TopicPartition(topic, 0)
    equal(of(admin.list_offsets({partition: OffsetSpec.max_timestamp()})).offset, 49)


@case('admin-topics')
def admin_topics():
    topic = new_topic(2)
    until('it is listed', lambda: topic in admin.list_topics(timeout=10).topics)
    for wrong, code in ((NewTopic(topic, 1, 1), KafkaError.TOPIC_ALREADY_EXISTS), (NewTopic('bad name!', 1, 1), KafkaError.TOPIC_EXCEPTION),
                        (NewTopic(unique('topic'), 0, 1), KafkaError.INVALID_PARTITIONS), (NewTopic(unique('topic'), 1, 99), KafkaError.INVALID_REPLICATION_FACTOR),
                        (NewTopic(unique('topic'), 1, 1, config={'no.such': '1'}), KafkaError.INVALID_CONFIG)):
        try:
            of(admin.create_topics([wrong]))
        except KafkaException as e:
            equal((wrong.topic, e.args[0].code()), (wrong.topic, code))
        else:
            raise AssertionError(f'{wrong} was created')
    of(admin.create_partitions([NewPartitions(topic, 4)]))
    until('four partitions', lambda: len(admin.list_topics(topic, 10).topics[topic].partitions) == 4)
    of(admin.delete_topics([topic]))
    until('it is gone', lambda: topic not in admin.list_topics(timeout=10).topics)


@case('admin-configs')
def admin_configs():
    topic = new_topic()
    change = ConfigEntry('retention.ms', '200000', incremental_operation=AlterConfigOpType.SET)
    of(admin.incremental_alter_configs([ConfigResource('TOPIC', topic, incremental_configs=[change])]))
    until('it is set', lambda: of(admin.describe_configs([ConfigResource('TOPIC', topic)]))['retention.ms'].value == '200000')


@case('admin-delete-records')
def admin_delete_records():
    topic = new_topic()
    numbers(topic, 10)
    of(admin.delete_records([TopicPartition(topic, 0, 4)]))
    equal(of(admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.earliest()})).offset, 4)
    equal(read(topic, 6)[0].offset(), 4)


@case('admin-groups')
def admin_groups():
    topic, group = new_topic(), unique('group')
    numbers(topic, 10)
    of(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 7)])]))
    equal(of(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).topic_partitions[0].offset, 7)
    listed = lambda: group in [each.group_id for each in admin.list_consumer_groups().result(10).valid]
    equal(listed(), True)
    equal(of(admin.describe_consumer_groups([group])).state.name, 'EMPTY')
    of(admin.delete_consumer_groups([group]))
    equal(listed(), False)


import confluent_crash, confluent_modern, confluent_secured  # noqa: E401,E402,F401: they add their cases

run()

"""kafka-python."""
import threading

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import MessageSizeTooLargeError, TopicAlreadyExistsError

from kafka_python_kit import BASE, admin, new_topic, numbers, read, send
from kit import HOUR_AGO, case, equal, run, unique, until


def round_trip(codec):
    def body():
        topic, values = new_topic(2), [b'%d-' % i + b'x' * 100 for i in range(300)]
        send(topic, [{'value': value} for value in values], compression_type=codec)
        equal(sorted(message.value for message in read(topic, 300)), sorted(values))
    return body


for codec in (None, 'gzip', 'snappy', 'lz4', 'zstd'):
    case(codec or 'roundtrip')(round_trip(codec))


@case('headers')
def headers():
    topic = new_topic()
    send(topic, [{'key': b'k', 'value': None, 'headers': [('a', b'1'), ('b', b'2')]}])
    message = read(topic, 1)[0]
    equal((message.key, message.value, list(message.headers)), (b'k', None, [('a', b'1'), ('b', b'2')]))


@case('big-record')
def big_record():
    topic = new_topic(max_message_bytes='500000')
    send(topic, [{'value': b'x' * 499_000}])
    equal(len(read(topic, 1)[0].value), 499_000)


@case('too-big-record')
def too_big_record():
    topic = new_topic(max_message_bytes='500000')
    try:
        send(topic, [{'value': b'x' * 501_000}])
    except MessageSizeTooLargeError:
        return
    raise AssertionError('it was accepted')


@case('idempotent')
def idempotent():
    topic = new_topic()
    send(topic, [{'value': b'%d' % i} for i in range(300)], enable_idempotence=True, batch_size=500)
    equal([int(message.value) for message in read(topic, 300)], list(range(300)))


@case('group-rebalance')
def group_rebalance():
    topic, group = new_topic(4), unique('group')
    assigned, leave = [0, 0], [threading.Event(), threading.Event()]

    def member(me):
        consumer = KafkaConsumer(topic, **BASE, group_id=group, heartbeat_interval_ms=300, session_timeout_ms=10000)
        consumer.partitions_for_topic(topic)  # a leader that has no metadata yet now and then stays stuck in its assignment, on a real Kafka as well
        while not leave[me].is_set():
            consumer.poll(100)
            assigned[me] = len(consumer.assignment())
        consumer.close()
        assigned[me] = 0
    threads = [threading.Thread(target=member, args=(i,), daemon=True) for i in range(2)]
    threads[0].start()
    until(lambda: f'one has all: {assigned}', lambda: assigned == [4, 0])
    threads[1].start()
    until(lambda: f'two each: {assigned}', lambda: assigned == [2, 2])
    leave[0].set()
    until(lambda: f'the one left has all: {assigned}', lambda: assigned == [0, 4])
    leave[1].set()
    threads[1].join(10)


@case('commit-resume')
def commit_resume():
    topic, group = new_topic(), unique('group')
    numbers(topic, 10)
    consumer = KafkaConsumer(topic, **BASE, group_id=group, auto_offset_reset='earliest', enable_auto_commit=False, max_poll_records=6, consumer_timeout_ms=30000)
    for _ in range(6):
        next(consumer)
    consumer.commit()
    consumer.close()
    equal(read(topic, 4, group)[0].offset, 6)


@case('seek')
def seek():
    topic = new_topic()
    numbers(topic, 10)
    consumer = KafkaConsumer(**BASE, consumer_timeout_ms=30000)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek(TopicPartition(topic, 0), 8)
    equal(next(consumer).offset, 8)
    consumer.close()


@case('time-lookup')
def time_lookup():
    topic = new_topic()
    send(topic, [{'value': b'v', 'timestamp_ms': HOUR_AGO + i * 10} for i in range(10)])
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(**BASE)
    equal(consumer.beginning_offsets([partition])[partition], 0)
    equal(consumer.end_offsets([partition])[partition], 10)
    equal(consumer.offsets_for_times({partition: HOUR_AGO + 45})[partition].offset, 5)
    consumer.close()


@case('admin-topics')
def admin_topics():
    topic = new_topic()
    until('it is listed', lambda: topic in admin.list_topics())
    try:
        admin.create_topics([NewTopic(topic, 1, 1)])
    except TopicAlreadyExistsError:
        pass
    else:
        raise AssertionError('it was created twice')
    admin.delete_topics([topic])
    until('it is gone', lambda: topic not in admin.list_topics())


@case('admin-groups')
def admin_groups():
    topic, group = new_topic(), unique('group')
    numbers(topic, 1)
    consumer = KafkaConsumer(topic, **BASE, group_id=group, auto_offset_reset='earliest', enable_auto_commit=False, consumer_timeout_ms=30000)
    next(consumer)
    consumer.commit()
    consumer.close()
    listed = lambda: group in str(admin.list_groups())
    equal(listed(), True)
    offsets = admin.list_group_offsets([group])
    equal([offset.offset for offset in offsets[group].values()], [1])
    admin.delete_groups([group])
    equal(listed(), False)


import kafka_python_secured, kafka_python_txn  # noqa: E401,E402,F401: they add their cases

run()

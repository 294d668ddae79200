"""confluent-kafka: transactions, the consumer protocol of KIP-848, share groups."""
import threading

from confluent_kafka import AcknowledgeType, Consumer, KafkaError, KafkaException, Producer, ShareConsumer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from confluent_kit import BASE, admin, new_topic, numbers, of, read
from kit import case, equal, unique, until


def transactional(name=None, **config):
    producer = Producer({**BASE, 'transactional.id': name or unique('txn'), **{k.replace('_', '.'): v for k, v in config.items()}})
    producer.init_transactions(20)
    return producer


def produce_in(producer, topic, values):
    for value in values:
        producer.produce(topic, value, partition=0)


def committed(topic, count):
    return [message.value() for message in read(topic, count, isolation_level='read_committed')]


@case('txn-commit')
def txn_commit():
    topic, producer = new_topic(), transactional()
    for i in range(5):
        producer.begin_transaction()
        produce_in(producer, topic, [b'%d' % i] * 2)
        producer.commit_transaction(20)
    equal(committed(topic, 10), [b'%d' % (i // 2) for i in range(10)])


@case('txn-abort')
def txn_abort():
    topic, producer = new_topic(), transactional()
    producer.begin_transaction()
    produce_in(producer, topic, [b'aborted'])
    producer.flush(20)
    producer.abort_transaction(20)
    producer.begin_transaction()
    produce_in(producer, topic, [b'committed'])
    producer.commit_transaction(20)
    equal(committed(topic, 1), [b'committed'])
    equal([message.value() for message in read(topic, 2, isolation_level='read_uncommitted')], [b'aborted', b'committed'])


@case('txn-offsets')
def txn_offsets():
    source, target, group, producer = new_topic(), new_topic(), unique('group'), transactional()
    numbers(source, 10)
    consumer = Consumer({**BASE, 'group.id': group, 'auto.offset.reset': 'earliest', 'enable.auto.commit': False})
    consumer.subscribe([source])
    taken = []
    while len(taken) < 10:
        taken += consumer.consume(10 - len(taken), 10)

    def transform(end, upto):
        producer.begin_transaction()
        produce_in(producer, target, [b'%d' % (int(message.value()) * 2) for message in taken[:upto]])
        producer.send_offsets_to_transaction([TopicPartition(source, 0, upto)], consumer.consumer_group_metadata(), 20)
        end(20)
    at = lambda: consumer.committed([TopicPartition(source, 0)], 20)[0].offset
    transform(producer.abort_transaction, 3)
    equal(at() < 0, True)
    transform(producer.commit_transaction, 6)
    # The offsets are there when the transaction's marker is, a little after the answer.
    until(lambda: f'6 is committed, not {at()}', lambda: at() == 6)
    consumer.close()
    equal(committed(target, 6), [b'%d' % (i * 2) for i in range(6)])


@case('txn-fencing')
def txn_fencing():
    topic, name = new_topic(), unique('txn')
    old = transactional(name)
    old.begin_transaction()
    produce_in(old, topic, [b'old'])
    old.flush(20)
    new = transactional(name)
    new.begin_transaction()
    produce_in(new, topic, [b'new'])
    new.commit_transaction(20)
    try:
        old.commit_transaction(20)
    except KafkaException as e:
        equal((e.args[0].code(), e.args[0].fatal()), (KafkaError._FENCED, True))
    else:
        raise AssertionError('the old one committed')
    equal(committed(topic, 1), [b'new'])


@case('txn-timeout')
def txn_timeout():
    topic, producer = new_topic(), transactional(transaction_timeout_ms=1500)
    producer.begin_transaction()
    produce_in(producer, topic, [b'late'])
    producer.flush(20)
    numbers(topic, 1)
    # What comes after an open transaction is read once the broker has aborted it.
    equal(committed(topic, 1), [b'0'])
    try:
        producer.commit_transaction(20)
    except KafkaException as e:
        equal(e.args[0].retriable(), False)
    else:
        raise AssertionError('it was committed after its timeout')


MODERN = {**BASE, 'group.protocol': 'consumer', 'auto.offset.reset': 'earliest', 'enable.auto.commit': False}


class Member:
    """A consumer in a thread of its own; `assigned` is how many partitions it has."""

    def __init__(self, group, topics, **config):
        self.assigned, self.values, self._leave = 0, [], threading.Event()
        self._thread = threading.Thread(target=self._run, args=({**MODERN, 'group.id': group, **config}, topics), daemon=True)
        self._thread.start()

    def _run(self, config, topics):
        consumer = Consumer(config)
        consumer.subscribe(topics)
        while not self._leave.is_set():
            message = consumer.poll(0.1)
            if message is not None and not message.error():
                self.values.append(message.value())
            self.assigned = len(consumer.assignment())
        consumer.close()
        self.assigned = 0

    def leave(self):
        self._leave.set()
        self._thread.join(20)


@case('consumer-protocol')
def consumer_protocol():
    topic, group = new_topic(6), unique('group')
    one = Member(group, [topic])
    until(lambda: f'one has all: {one.assigned}', lambda: one.assigned == 6)
    two = Member(group, [topic])
    until(lambda: f'three each: {one.assigned} {two.assigned}', lambda: (one.assigned, two.assigned) == (3, 3))
    described = of(admin.describe_consumer_groups([group]))
    equal((described.type.name, described.state.name, len(described.members)), ('CONSUMER', 'STABLE', 2))
    one.leave()
    until(lambda: f'the one left has all: {two.assigned}', lambda: two.assigned == 6)
    two.leave()


@case('consumer-protocol-regex')
def consumer_protocol_regex():
    stem, group = unique('regex'), unique('group')
    of(admin.create_topics([NewTopic(f'{stem}-1', 2, 1)]))
    member = Member(group, [f'^{stem}-.*'])
    until(lambda: f'two: {member.assigned}', lambda: member.assigned == 2)
    of(admin.create_topics([NewTopic(f'{stem}-2', 3, 1)]))
    until(lambda: f'five: {member.assigned}', lambda: member.assigned == 5, 50)
    member.leave()


@case('consumer-protocol-commit')
def consumer_protocol_commit():
    topic, group = new_topic(), unique('group')
    numbers(topic, 10)
    consumer = Consumer({**MODERN, 'group.id': group})
    consumer.subscribe([topic])
    taken = []
    while len(taken) < 10:
        taken += consumer.consume(10 - len(taken), 10)
    consumer.commit(message=taken[5], asynchronous=False)
    consumer.close()
    equal(read(topic, 4, group, group_protocol='consumer')[0].offset(), 6)


@case('consumer-protocol-static')
def consumer_protocol_static():
    topic, group = new_topic(4), unique('group')
    stay = Member(group, [topic], **{'group.instance.id': 'stays'})
    back = Member(group, [topic], **{'group.instance.id': 'comes-back'})
    until(lambda: f'two each: {stay.assigned} {back.assigned}', lambda: (stay.assigned, back.assigned) == (2, 2))
    back.leave()
    equal(stay.assigned, 2)
    back = Member(group, [topic], **{'group.instance.id': 'comes-back'})
    until(lambda: f'two each again: {stay.assigned} {back.assigned}', lambda: (stay.assigned, back.assigned) == (2, 2))
    stay.leave()
    back.leave()


def share_group():
    group = unique('share')
    change = ConfigEntry('share.auto.offset.reset', 'earliest', incremental_operation=AlterConfigOpType.SET)
    of(admin.incremental_alter_configs([ConfigResource(ConfigResource.Type.GROUP, group, incremental_configs=[change])]))
    return group


def share_consumer(group, topic, **config):
    consumer = ShareConsumer({**BASE, 'group.id': group, **config})
    consumer.subscribe([topic])
    return consumer


def records(messages):
    for message in messages:
        if message.error():
            raise KafkaException(message.error())
    return list(messages)


@case('share-group')
def share_group_case():
    topic, group = new_topic(), share_group()
    one, two = share_consumer(group, topic), share_consumer(group, topic)
    got = [[], []]

    def more():
        for consumer, values in zip((one, two), got):
            values += [message.value() for message in records(consumer.poll(0.2))]
        return len(got[0]) + len(got[1]) >= 200
    numbers(topic, 200)
    until(lambda: f'200 records, got {len(got[0])} and {len(got[1])}', more)
    for consumer in (one, two):
        consumer.commit_sync(20.0)
        consumer.close()
    equal(sorted(got[0] + got[1], key=int), [b'%d' % i for i in range(200)])
    with share_consumer(group, topic) as third:
        equal(len(records(third.poll(3))), 0)


@case('share-group-explicit')
def share_group_explicit():
    topic, group = new_topic(), share_group()
    numbers(topic, 3)
    kinds = {b'0': AcknowledgeType.ACCEPT, b'1': AcknowledgeType.RELEASE, b'2': AcknowledgeType.REJECT}
    consumer = share_consumer(group, topic, **{'share.acknowledgement.mode': 'explicit'})
    first, again = [], []

    def taken(values, count, kind_of):
        def more():
            messages = records(consumer.poll(0.5))
            for message in messages:
                values.append(message.value())
                consumer.acknowledge(message, kind_of(message))
            for failure in consumer.commit_sync(20.0).values():
                equal(failure, None)
            return len(values) >= count
        return more
    until(lambda: f'three: {first}', taken(first, 3, lambda message: kinds[message.value()]))
    if len(first) == 3:  # else the released one has come along already
        until(lambda: f'the released one: {again}', taken(again, 1, lambda _: AcknowledgeType.ACCEPT))
    equal(first + again, [b'0', b'1', b'2', b'1'])
    equal(len(records(consumer.poll(2))), 0)
    consumer.close()

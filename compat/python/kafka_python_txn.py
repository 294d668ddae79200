"""kafka-python: transactions. It has neither the consumer protocol of KIP-848 nor share groups."""
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import InvalidProducerEpochError, ProducerFencedError

from kafka_python_kit import BASE, new_topic, numbers, read
from kit import case, equal, unique, until


def transactional(name=None):
    producer = KafkaProducer(**BASE, transactional_id=name or unique('txn'))
    producer.init_transactions()
    return producer


def values(topic, count, isolation):
    return [message.value for message in read(topic, count, isolation_level=isolation)]


@case('txn-commit')
def txn_commit():
    topic, producer = new_topic(), transactional()
    for i in range(5):
        producer.begin_transaction()
        for _ in range(2):
            producer.send(topic, b'%d' % i)
        producer.commit_transaction()
    producer.close()
    equal(values(topic, 10, 'read_committed'), [b'%d' % (i // 2) for i in range(10)])


@case('txn-abort')
def txn_abort():
    topic, producer = new_topic(), transactional()
    producer.begin_transaction()
    producer.send(topic, b'aborted').get(20)
    producer.abort_transaction()
    producer.begin_transaction()
    producer.send(topic, b'committed').get(20)
    producer.commit_transaction()
    producer.close()
    equal(values(topic, 1, 'read_committed'), [b'committed'])
    equal(values(topic, 2, 'read_uncommitted'), [b'aborted', b'committed'])


@case('txn-offsets')
def txn_offsets():
    source, target, group, producer = new_topic(), new_topic(), unique('group'), transactional()
    numbers(source, 10)
    consumer = KafkaConsumer(source, **BASE, group_id=group, auto_offset_reset='earliest', enable_auto_commit=False, consumer_timeout_ms=30000)
    partition, taken = TopicPartition(source, 0), []
    while len(taken) < 10:
        taken.append(next(consumer))

    def transform(upto):
        producer.begin_transaction()
        for message in taken[:upto]:
            producer.send(target, b'%d' % (int(message.value) * 2)).get(20)
        producer.send_offsets_to_transaction({partition: OffsetAndMetadata(upto, '', -1)}, consumer.group_metadata())
    transform(3)
    producer.abort_transaction()
    equal(consumer.committed(partition), None)
    transform(6)
    producer.commit_transaction()
    # The offsets are there when the transaction's marker is, a little after the answer.
    until(lambda: f'6 is committed, not {consumer.committed(partition)}', lambda: consumer.committed(partition) == 6)
    consumer.close()
    producer.close()
    equal(values(target, 6, 'read_committed'), [b'%d' % (i * 2) for i in range(6)])


@case('txn-fencing')
def txn_fencing():
    topic, name = new_topic(), unique('txn')
    old = transactional(name)
    old.begin_transaction()
    old.send(topic, b'old').get(20)
    new = transactional(name)
    new.begin_transaction()
    new.send(topic, b'new').get(20)
    new.commit_transaction()
    new.close()
    try:
        old.commit_transaction()
    except (ProducerFencedError, InvalidProducerEpochError):
        pass
    else:
        raise AssertionError('the old one committed')
    old.close(timeout=1)
    equal(values(topic, 1, 'read_committed'), [b'new'])

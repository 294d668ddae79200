"""What the cases of confluent-kafka share."""
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from kit import ADDRESS, equal, unique, until

BASE = {'bootstrap.servers': ADDRESS}
admin = AdminClient(BASE)


def of(futures):
    """The result of the one future of an admin call."""
    return list(futures.values())[0].result(20)


def new_topic(partitions=1, by=admin, **config):
    topic = unique('topic')
    of(by.create_topics([NewTopic(topic, partitions, 1, config={k.replace('_', '.'): v for k, v in config.items()})]))
    return topic


def send(topic, records, base=BASE, **config):
    errors = []
    producer = Producer({**base, **{k.replace('_', '.'): v for k, v in config.items()}})
    for record in records:
        producer.produce(topic, on_delivery=lambda error, _: errors.append(error) if error else None, **record)
        producer.poll(0)
    equal(producer.flush(30), 0)
    if errors:
        raise KafkaException(errors[0])


def numbers(topic, count):
    send(topic, [{'value': str(i).encode(), 'partition': 0} for i in range(count)])


def read(topic, count, group=None, base=BASE, **config):
    own = {k.replace('_', '.'): v for k, v in config.items()}
    consumer = Consumer({**base, 'group.id': group or unique('group'), 'auto.offset.reset': 'earliest', 'enable.auto.commit': False, **own})
    consumer.subscribe([topic])
    got = []

    def more():
        for message in consumer.consume(count - len(got), 0.2):
            if message.error():
                raise KafkaException(message.error())
            got.append(message)
        return len(got) >= count
    try:
        until(lambda: f'{count} records, got {len(got)}', more)
    finally:
        consumer.close()
    return got

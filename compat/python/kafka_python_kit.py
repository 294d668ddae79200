"""What the cases of kafka-python share."""
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from kit import ADDRESS, equal, unique

BASE = {'bootstrap_servers': ADDRESS}
admin = KafkaAdminClient(**BASE)


def new_topic(partitions=1, by=admin, **config):
    topic = unique('topic')
    by.create_topics([NewTopic(topic, partitions, 1, topic_configs={k.replace('_', '.'): v for k, v in config.items()})])
    return topic


def send(topic, records, base=BASE, **config):
    producer = KafkaProducer(**base, linger_ms=10, **config)
    sent = [producer.send(topic, **record) for record in records]
    try:
        for each in sent:
            each.get(20)
    finally:
        producer.close()


def numbers(topic, count):
    send(topic, [{'value': b'%d' % i, 'partition': 0} for i in range(count)])


def read(topic, count, group=None, base=BASE, **config):
    own = {'auto_offset_reset': 'earliest', 'enable_auto_commit': False, 'consumer_timeout_ms': 30000, **config}
    consumer = KafkaConsumer(topic, **base, group_id=group or unique('group'), **own)
    got = []
    try:
        for message in consumer:
            got.append(message)
            if len(got) == count:
                break
    finally:
        consumer.close()
    equal(len(got), count)
    return got

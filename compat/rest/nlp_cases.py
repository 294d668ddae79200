"""nlp-kafka-rest-api, Merck's client for version 2 of the API: JSON is sent, and binary records are read, which it decodes itself."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'python'))

from kafka_rest.kafka_rest import Consumer, Producer

from kit import ADDRESS as URL, case, equal, run, unique


def responses(topic, answers):
    """Its consumers read what a service answers, in a topic of its own."""
    Producer(kafka_rest_api_url=URL, topic_id=f'{topic}-response').produce(answers, 'answers', keys=[str(n) for n in range(len(answers))])


@case('produce-with-keys')
def produce_with_keys():
    topic = unique('nlp')
    producer = Producer(kafka_rest_api_url=URL, topic_id=topic)
    equal(producer.produce([{'a': 1}, {'b': 'ü'}], '/v1', keys=['x', 'y']), ['x', 'y'])
    equal(len(producer.produce([[1, 2, 3]], '/v1')), 1)


@case('consume-what-is-there')
def consume_what_is_there():
    topic = unique('nlp')
    responses(topic, [{'n': 1}, {'n': 9007199254740993}])
    with Consumer(kafka_rest_api_url=URL, topic_id=topic) as consumer:
        found = {record['key']: record['value']['payload'] for records in consumer.consume_all(['0', '1'], 0.2) for record in records}
    equal(found, {'0': {'n': 1}, '1': {'n': 9007199254740993}})


@case('two-instances-of-a-group')
def two_instances_of_a_group():
    topic = unique('nlp')
    responses(topic, [{'n': n} for n in range(20)])
    group = unique('group')
    first = Consumer(kafka_rest_api_url=URL, topic_id=topic, consumer_group=group).create().subscribe()
    second = Consumer(kafka_rest_api_url=URL, topic_id=topic, consumer_group=group).create().subscribe()
    keys = set()
    for _ in range(60):
        keys.update(record['key'] for each in (first, second) for record in each.consume_earliest())
        if len(keys) == 20:
            break
    first.delete()
    second.delete()
    equal(len(keys), 20)


run()

"""pymapr-kafkarest, a client for version 2 of the API, with its consumers and its seeking."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'python'))

import requests
from pymapr_kafkarest.kafkarest import MaprKlient, MaprKProducer

from kit import ADDRESS as URL, case, equal, run, unique, until

BASE = f'{URL}/'


def client(topic, **more):
    return MaprKlient(BASE, unique('group'), headers={}, topics=[topic], instance=unique('instance'), **more)


def filled(count):
    """It seeks in partition 0, so there is no other."""
    topic = unique('mapr')
    cluster = requests.get(f'{URL}/v3/clusters').json()['data'][0]['cluster_id']
    requests.post(f'{URL}/v3/clusters/{cluster}/topics', json={'topic_name': topic, 'partitions_count': 1}).raise_for_status()
    # Its producer sends everything as often as it may try again.
    producer = MaprKProducer(BASE, headers={}, retry=0)
    producer.retry = 0
    producer.produce([{'value': {'n': n}} for n in range(count)], topic=topic)
    return topic


def read(consumer, count):
    values = []
    until('all come', lambda: values.extend(each['value']['n'] for each in consumer.consume()) or len(values) >= count)
    return values


@case('produce-and-consume')
def produce_and_consume():
    topic = filled(3)
    consumer = client(topic)
    consumer.connect()
    consumer.subscribe()
    equal(consumer._subscription_topics()['topics'], [topic])
    equal(read(consumer, 3), [0, 1, 2])
    consumer._instance_delete()


@case('from-the-beginning-again')
def from_the_beginning_again():
    topic = filled(3)
    consumer = client(topic, follow_base_uri=True)
    consumer.connect()
    consumer.subscribe()
    equal(read(consumer, 3), [0, 1, 2])
    consumer._position(1)
    equal(read(consumer, 2), [1, 2])
    consumer._seek_beginning()
    equal(read(consumer, 3), [0, 1, 2])
    consumer._instance_delete()


@case('an-instance-that-is-there')
def an_instance_that_is_there():
    topic = filled(1)
    consumer = client(topic)
    consumer.connect()
    consumer.connect(clear=True)
    consumer.subscribe()
    equal(read(consumer, 1), [0])
    consumer._instance_delete()


run()

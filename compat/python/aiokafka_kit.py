"""What the cases of aiokafka share."""
import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from kit import ADDRESS, case, equal, unique

BASE = {'bootstrap_servers': ADDRESS}


def aio(name, adder=case):
    def add(body):
        adder(name)(lambda: asyncio.run(asyncio.wait_for(body(), 50)))
        return body
    return add


async def eventually(what, condition):
    for _ in range(300):
        if await condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f'never: {what}')


async def with_admin(work, base=BASE):
    admin = AIOKafkaAdminClient(**base)
    await admin.start()
    try:
        return await work(admin)
    finally:
        await admin.close()


async def new_topic(partitions=1, base=BASE, **config):
    topic = unique('topic')
    configs = {k.replace('_', '.'): v for k, v in config.items()}
    answer = await with_admin(lambda admin: admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)]), base)
    equal([error[1] for error in answer.topic_errors], [0])
    return topic


async def send(topic, records, base=BASE, **config):
    async with AIOKafkaProducer(**base, linger_ms=10, **config) as producer:
        await asyncio.gather(*[await producer.send(topic, **record) for record in records])


async def numbers(topic, count):
    await send(topic, [{'value': b'%d' % i, 'partition': 0} for i in range(count)])


async def read(topic, count, group=None, base=BASE, **config):
    group = group or unique('group')
    consumer = AIOKafkaConsumer(topic, **base, group_id=group, auto_offset_reset='earliest', enable_auto_commit=False, **config)
    await consumer.start()
    got = []
    try:
        while len(got) < count:
            got.append(await asyncio.wait_for(consumer.getone(), 30))
    finally:
        await consumer.stop()
    return got

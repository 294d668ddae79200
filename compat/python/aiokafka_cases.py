"""aiokafka."""
import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError, TopicAlreadyExistsError

from aiokafka_kit import BASE, aio, eventually, new_topic, numbers, read, send, with_admin
from kit import HOUR_AGO, equal, run, unique


def round_trip(codec):
    async def body():
        topic, values = await new_topic(2), [b'%d-' % i + b'x' * 100 for i in range(300)]
        await send(topic, [{'value': value} for value in values], compression_type=codec)
        equal(sorted(message.value for message in await read(topic, 300)), sorted(values))
    return body


for codec in (None, 'gzip', 'snappy', 'lz4', 'zstd'):
    aio(codec or 'roundtrip')(round_trip(codec))


@aio('headers')
async def headers():
    topic = await new_topic()
    await send(topic, [{'value': None, 'key': b'k', 'headers': [('a', b'1'), ('b', b'2')]}])
    message = (await read(topic, 1))[0]
    equal((message.key, message.value, message.headers), (b'k', None, (('a', b'1'), ('b', b'2'))))


@aio('big-record')
async def big_record():
    topic = await new_topic(max_message_bytes='500000')
    await send(topic, [{'value': b'x' * 499_000}])
    equal(len((await read(topic, 1))[0].value), 499_000)


@aio('too-big-record')
async def too_big_record():
    topic = await new_topic(max_message_bytes='500000')
    try:
        await send(topic, [{'value': b'x' * 501_000}])
    except MessageSizeTooLargeError:
        return
    raise AssertionError('it was accepted')


@aio('idempotent')
async def idempotent():
    topic = await new_topic()
    await send(topic, [{'value': b'%d' % i} for i in range(300)], enable_idempotence=True, max_batch_size=500)
    equal([int(message.value) for message in await read(topic, 300)], list(range(300)))


@aio('group-rebalance')
async def group_rebalance():
    topic, group = await new_topic(4), unique('group')
    one, two = (AIOKafkaConsumer(topic, **BASE, group_id=group, heartbeat_interval_ms=300) for _ in range(2))
    await one.start()
    await two.start()
    sizes = lambda: (len(one.assignment()), len(two.assignment()))

    async def shared():
        await asyncio.gather(one.getmany(timeout_ms=100), two.getmany(timeout_ms=100))
        return sizes() == (2, 2)
    await eventually('two each', shared)
    await two.stop()

    async def alone():
        await one.getmany(timeout_ms=100)
        return len(one.assignment()) == 4
    await eventually('the one left has all', alone)
    await one.stop()


@aio('commit-resume')
async def commit_resume():
    topic, group = await new_topic(), unique('group')
    await numbers(topic, 10)
    consumer = AIOKafkaConsumer(topic, **BASE, group_id=group, auto_offset_reset='earliest', enable_auto_commit=False)
    await consumer.start()
    equal((await consumer.getone()).offset, 0)
    await consumer.commit({TopicPartition(topic, 0): 6})
    equal(await consumer.committed(TopicPartition(topic, 0)), 6)
    await consumer.stop()
    equal((await read(topic, 4, group))[0].offset, 6)


@aio('seek')
async def seek():
    topic = await new_topic()
    await numbers(topic, 10)
    consumer = AIOKafkaConsumer(topic, **BASE)
    await consumer.start()
    consumer.seek(TopicPartition(topic, 0), 8)
    equal((await consumer.getone()).offset, 8)
    await consumer.stop()


@aio('time-lookup')
async def time_lookup():
    topic = await new_topic()
    await send(topic, [{'value': b'v', 'timestamp_ms': HOUR_AGO + i * 10} for i in range(10)])
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(topic, **BASE)
    await consumer.start()
    equal((await consumer.beginning_offsets([partition]))[partition], 0)
    equal((await consumer.end_offsets([partition]))[partition], 10)
    equal((await consumer.offsets_for_times({partition: HOUR_AGO + 45}))[partition].offset, 5)
    await consumer.stop()


@aio('admin-topics')
async def admin_topics():
    topic = await new_topic()

    async def work(admin):
        equal(topic in await admin.list_topics(), True)
        answer = await admin.create_topics([NewTopic(topic, 1, 1)])
        equal(answer.topic_errors[0][1], TopicAlreadyExistsError.errno)
        await admin.delete_topics([topic])

        async def gone():
            return topic not in await admin.list_topics()
        await eventually('it is gone', gone)
    await with_admin(work)


@aio('admin-configs')
async def admin_configs():
    topic = await new_topic()

    async def work(admin):
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {'retention.ms': '1234567'})])

        async def is_set():
            answer = (await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))[0]
            return dict((entry[0], entry[1]) for entry in answer.resources[0][4])['retention.ms'] == '1234567'
        await eventually('it is set', is_set)
    await with_admin(work)


@aio('admin-delete-records')
async def admin_delete_records():
    topic = await new_topic()
    await numbers(topic, 10)
    await with_admin(lambda admin: admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=4)}))
    equal((await read(topic, 6))[0].offset, 4)


@aio('admin-groups')
async def admin_groups():
    topic, group = await new_topic(), unique('group')
    consumer = AIOKafkaConsumer(topic, **BASE, group_id=group)
    await consumer.start()
    await consumer.getmany(timeout_ms=500)

    async def work(admin):
        answer = (await admin.describe_consumer_groups([group]))[0]
        equal(answer.groups[0][2], 'Stable')
        equal(group in [each[0] for each in await admin.list_consumer_groups()], True)
    await with_admin(work)
    await consumer.stop()


import aiokafka_secured, aiokafka_txn  # noqa: E401,E402,F401: they add their cases

run()

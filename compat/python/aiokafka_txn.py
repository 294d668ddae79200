"""aiokafka: transactions. It has neither the consumer protocol of KIP-848 nor share groups."""
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced

from aiokafka_kit import BASE, aio, eventually, new_topic, numbers, read
from kit import equal, unique


def transactional(name=None):
    return AIOKafkaProducer(**BASE, transactional_id=name or unique('txn'))


async def values(topic, count, isolation):
    return [message.value for message in await read(topic, count, isolation_level=isolation)]


@aio('txn-commit')
async def txn_commit():
    topic = await new_topic()
    async with transactional() as producer:
        for i in range(5):
            async with producer.transaction():
                for _ in range(2):
                    await producer.send(topic, b'%d' % i)
    equal(await values(topic, 10, 'read_committed'), [b'%d' % (i // 2) for i in range(10)])


@aio('txn-abort')
async def txn_abort():
    topic = await new_topic()
    async with transactional() as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b'aborted')
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b'committed')
    equal(await values(topic, 1, 'read_committed'), [b'committed'])
    equal(await values(topic, 2, 'read_uncommitted'), [b'aborted', b'committed'])


@aio('txn-offsets')
async def txn_offsets():
    source, target, group = await new_topic(), await new_topic(), unique('group')
    await numbers(source, 10)
    consumer = AIOKafkaConsumer(source, **BASE, group_id=group, auto_offset_reset='earliest', enable_auto_commit=False)
    await consumer.start()
    partition = TopicPartition(source, 0)
    taken = [await consumer.getone() for _ in range(10)]
    async with transactional() as producer:
        async def transform(upto):
            await producer.begin_transaction()
            for message in taken[:upto]:
                await producer.send_and_wait(target, b'%d' % (int(message.value) * 2))
            await producer.send_offsets_to_transaction({partition: upto}, group)
        await transform(3)
        await producer.abort_transaction()
        equal(await consumer.committed(partition), None)
        await transform(6)
        await producer.commit_transaction()

        async def there():
            return await consumer.committed(partition) == 6
        # The offsets are there when the transaction's marker is, a little after the answer.
        await eventually('6 is committed', there)
    await consumer.stop()
    equal(await values(target, 6, 'read_committed'), [b'%d' % (i * 2) for i in range(6)])


@aio('txn-fencing')
async def txn_fencing():
    topic, name = await new_topic(), unique('txn')
    old = transactional(name)
    await old.start()
    await old.begin_transaction()
    await old.send_and_wait(topic, b'old')
    async with transactional(name) as new:
        async with new.transaction():
            await new.send_and_wait(topic, b'new')
    try:
        await old.commit_transaction()
    except ProducerFenced:
        pass
    else:
        raise AssertionError('the old one committed')
    finally:
        await old.stop()
    equal(await values(topic, 1, 'read_committed'), [b'new'])

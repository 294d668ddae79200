"""aiokafka over TLS and SASL, with ACLs."""
import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import NewTopic
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from aiokafka.helpers import create_ssl_context

from aiokafka_kit import aio, new_topic, read, send, with_admin
from kit import SECURED, equal, secured_case, unique


def secured(name):
    return aio(name, secured_case)


def tls(listener, ca='ca', **files):
    context = create_ssl_context(cafile=SECURED['files'][ca], **files)
    return {'bootstrap_servers': SECURED['bootstraps'][listener], 'security_protocol': 'SSL', 'ssl_context': context}


def sasl(mechanism, listener='SASL_SSL', user='user', **config):
    who = SECURED[user]
    base = {'sasl_mechanism': mechanism, 'sasl_plain_username': who['name'], 'sasl_plain_password': who['password'], **config}
    if listener == 'SASL_PLAINTEXT':
        return {'bootstrap_servers': SECURED['bootstraps'][listener], 'security_protocol': listener, **base}
    return {**tls(listener), **base, 'security_protocol': 'SASL_SSL'}


async def works(base):
    topic = await new_topic(base=base)
    await send(topic, [{'value': b'%d' % i, 'partition': 0} for i in range(100)], base=base)
    equal([message.value for message in await read(topic, 100, base=base)], [b'%d' % i for i in range(100)])


async def refuses(what, work, *wanted):
    try:
        await asyncio.wait_for(work, 20)
    except wanted:
        return
    raise AssertionError(f'{what}: it worked')


def simple(name, base):
    secured(name)(lambda: works(base()))


simple('tls', lambda: tls('TLS'))
simple('mtls', lambda: tls('SSL', certfile=SECURED['files']['clientCert'], keyfile=SECURED['files']['clientKey']))
simple('sasl-plain', lambda: sasl('PLAIN'))
simple('sasl-plaintext', lambda: sasl('PLAIN', 'SASL_PLAINTEXT'))
simple('sasl-scram-256', lambda: sasl('SCRAM-SHA-256'))
simple('sasl-scram-512', lambda: sasl('SCRAM-SHA-512'))


class Token(AbstractTokenProvider):
    async def token(self):
        return open(SECURED['files']['token']).read()


simple('oauthbearer', lambda: sasl('OAUTHBEARER', sasl_oauth_token_provider=Token()))


async def starts(base):
    producer = AIOKafkaProducer(**base)
    try:
        await producer.start()
    finally:
        await producer.stop()


@secured('wrong-password')
async def wrong_password():
    for mechanism in ('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'):
        await refuses(mechanism, starts(sasl(mechanism, sasl_plain_password='guess')), KafkaError)


@secured('wrong-ca')
async def wrong_ca():
    await refuses('TLS', starts(tls('TLS', ca='otherCa')), KafkaError)


@secured('forbidden-topic')
async def forbidden_topic():
    root, base = sasl('PLAIN', user='admin'), sasl('SCRAM-SHA-512')
    topic = 'forbidden-' + unique('topic')
    await with_admin(lambda admin: admin.create_topics([NewTopic(topic, 1, 1)]), root)
    await refuses('produce', send(topic, [{'value': b'v'}], base=base), TopicAuthorizationFailedError)
    await refuses('consume', read(topic, 1, base=base), TopicAuthorizationFailedError)
    own = await new_topic(base=base)
    await refuses('join', read(own, 1, 'forbidden', base=base), GroupAuthorizationFailedError)


@secured('reauth')
async def reauth():
    base = sasl('SCRAM-SHA-256', 'REAUTH')
    topic = await new_topic(base=base)
    async with AIOKafkaProducer(**base) as producer:
        for i in range(40):
            await asyncio.wait_for(producer.send_and_wait(topic, b'%d' % i, partition=0), 10)
            await asyncio.sleep(0.2)
    equal(len(await read(topic, 40, base=base)), 40)

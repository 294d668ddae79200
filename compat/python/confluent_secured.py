"""confluent-kafka over TLS and SASL, with ACLs."""
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from confluent_kit import new_topic, of, read, send
from kit import SECURED, equal, refuses, secured_case, unique


def tls(listener, ca='ca', **config):
    own = {k.replace('_', '.'): v for k, v in config.items()}
    return {'bootstrap.servers': SECURED['bootstraps'][listener], 'security.protocol': 'SSL', 'ssl.ca.location': SECURED['files'][ca], **own}


def sasl(mechanism, listener='SASL_SSL', user='user', **config):
    who = SECURED[user]
    base = {'sasl.username': who['name'], 'sasl.password': who['password'], 'sasl.mechanism': mechanism}
    protocol = 'SASL_PLAINTEXT' if listener == 'SASL_PLAINTEXT' else 'SASL_SSL'
    return {**tls(listener), **base, 'security.protocol': protocol, **{k.replace('_', '.'): v for k, v in config.items()}}


def works(base):
    topic = new_topic(by=AdminClient(base))
    send(topic, [{'value': b'%d' % i} for i in range(100)], base=base)
    equal([message.value() for message in read(topic, 100, base=base)], [b'%d' % i for i in range(100)])


def error_of(base):
    """What a producer of it is told first."""
    errors = []
    producer = Producer({**base, 'error_cb': errors.append})
    end = time.time() + 15
    while time.time() < end and not errors:
        producer.poll(0.1)
    return [error.code() for error in errors[:1]]


secured_case('tls')(lambda: works(tls('TLS')))
secured_case('mtls')(lambda: works(tls('SSL', ssl_certificate_location=SECURED['files']['clientCert'], ssl_key_location=SECURED['files']['clientKey'])))
secured_case('mtls-without')(lambda: equal(error_of(tls('SSL'))[0] in (KafkaError._SSL, KafkaError._TRANSPORT), True))
secured_case('sasl-plain')(lambda: works(sasl('PLAIN')))
secured_case('sasl-plaintext')(lambda: works(sasl('PLAIN', 'SASL_PLAINTEXT')))
secured_case('sasl-scram-256')(lambda: works(sasl('SCRAM-SHA-256')))
secured_case('sasl-scram-512')(lambda: works(sasl('SCRAM-SHA-512')))


@secured_case('oauthbearer')
def oauthbearer():
    token = open(SECURED['files']['token']).read()
    base = sasl('OAUTHBEARER')
    del base['sasl.username'], base['sasl.password']
    works({**base, 'oauth_cb': lambda _: (token, time.time() + 3000)})


@secured_case('wrong-password')
def wrong_password():
    for mechanism in ('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'):
        equal((mechanism, error_of(sasl(mechanism, sasl_password='guess'))), (mechanism, [KafkaError._AUTHENTICATION]))


secured_case('wrong-ca')(lambda: equal(error_of(tls('TLS', ca='otherCa')), [KafkaError._SSL]))


@secured_case('forbidden-topic')
def forbidden_topic():
    topic, base = 'forbidden-' + unique('topic'), sasl('SCRAM-SHA-512')
    root, own = AdminClient(sasl('PLAIN', user='admin')), AdminClient(base)
    of(root.create_topics([NewTopic(topic, 1, 1)]))
    is_refused = lambda e: e.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    refuses('produce', lambda: send(topic, [{'value': b'v'}], base=base), is_refused)
    refuses('create', lambda: of(own.create_topics([NewTopic('forbidden-' + unique('topic'), 1, 1)])), is_refused)
    refuses('consume', lambda: read(topic, 1, base=base), is_refused)
    refuses('join', lambda: read(new_topic(by=own), 1, 'forbidden', base=base), lambda e: e.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED)


@secured_case('reauth')
def reauth():
    base = sasl('SCRAM-SHA-256', 'REAUTH')
    topic, failed = new_topic(by=AdminClient(base)), []
    producer = Producer({**base, 'error_cb': failed.append})
    for i in range(40):
        producer.produce(topic, b'%d' % i, on_delivery=lambda error, _: failed.append(error) if error else None)
        producer.flush(10)
        time.sleep(0.2)
    equal(failed, [])
    equal(len(read(topic, 40, base=base)), 40)


@secured_case('consumer-protocol-secured')
def consumer_protocol_secured():
    base = {**sasl('SCRAM-SHA-512'), 'group.protocol': 'consumer'}
    works_with = new_topic(by=AdminClient(sasl('SCRAM-SHA-512')))
    send(works_with, [{'value': b'v'}], base=sasl('SCRAM-SHA-512'))
    equal(len(read(works_with, 1, base=base)), 1)
    consumer = Consumer({**base, 'group.id': 'forbidden'})
    consumer.subscribe([works_with])

    def refused():
        while True:
            message = consumer.poll(1)
            if message is not None and message.error():
                raise KafkaException(message.error())
    refuses('join', refused, lambda e: e.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED)
    consumer.close()


@secured_case('txn-secured')
def txn_secured():
    base = sasl('SCRAM-SHA-256')
    topic = new_topic(by=AdminClient(base))
    producer = Producer({**base, 'transactional.id': unique('txn')})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b'v')
    producer.commit_transaction(20)
    equal(len(read(topic, 1, base=base, isolation_level='read_committed')), 1)
    foreign = Producer({**base, 'transactional.id': 'forbidden'})
    refuses('init', lambda: foreign.init_transactions(20), lambda e: e.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)

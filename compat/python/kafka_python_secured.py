"""kafka-python over TLS and SASL, with ACLs."""
import time

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import GroupAuthorizationFailedError, KafkaTimeoutError, TopicAuthorizationFailedError
from kafka.net.sasl.oauth import AbstractTokenProvider

from kafka_python_kit import new_topic, read, send
from kit import SECURED, equal, refuses, secured_case, unique


def tls(listener, ca='ca', **config):
    return {'bootstrap_servers': SECURED['bootstraps'][listener], 'security_protocol': 'SSL', 'ssl_cafile': SECURED['files'][ca], **config}


def sasl(mechanism, listener='SASL_SSL', user='user', **config):
    who = SECURED[user]
    base = {'sasl_mechanism': mechanism, 'sasl_plain_username': who['name'], 'sasl_plain_password': who['password'], **config}
    return {**tls(listener), **base, 'security_protocol': 'SASL_PLAINTEXT' if listener == 'SASL_PLAINTEXT' else 'SASL_SSL'}


def works(base):
    topic = new_topic(by=KafkaAdminClient(**base))
    send(topic, [{'value': b'%d' % i, 'partition': 0} for i in range(100)], base=base)
    equal([message.value for message in read(topic, 100, base=base)], [b'%d' % i for i in range(100)])


secured_case('tls')(lambda: works(tls('TLS')))
secured_case('mtls')(lambda: works(tls('SSL', ssl_certfile=SECURED['files']['clientCert'], ssl_keyfile=SECURED['files']['clientKey'])))
secured_case('sasl-plain')(lambda: works(sasl('PLAIN')))
secured_case('sasl-plaintext')(lambda: works(sasl('PLAIN', 'SASL_PLAINTEXT')))
secured_case('sasl-scram-256')(lambda: works(sasl('SCRAM-SHA-256')))
secured_case('sasl-scram-512')(lambda: works(sasl('SCRAM-SHA-512')))


class Token(AbstractTokenProvider):
    def token(self):
        return open(SECURED['files']['token']).read()


secured_case('oauthbearer')(lambda: works(sasl('OAUTHBEARER', sasl_oauth_token_provider=Token())))


# This client tells its log why; its caller learns only that there was no broker.
@secured_case('wrong-password')
def wrong_password():
    for mechanism in ('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'):
        base = sasl(mechanism, sasl_plain_password='guess', bootstrap_timeout_ms=3000)
        refuses(mechanism, lambda: KafkaAdminClient(**base), lambda e: isinstance(e, KafkaTimeoutError))


@secured_case('wrong-ca')
def wrong_ca():
    refuses('TLS', lambda: KafkaAdminClient(**tls('TLS', ca='otherCa', bootstrap_timeout_ms=3000)), lambda e: isinstance(e, KafkaTimeoutError))


@secured_case('forbidden-topic')
def forbidden_topic():
    root, base = KafkaAdminClient(**sasl('PLAIN', user='admin')), sasl('SCRAM-SHA-512')
    topic = 'forbidden-' + unique('topic')
    root.create_topics([NewTopic(topic, 1, 1)])
    is_refused = lambda e: isinstance(e, TopicAuthorizationFailedError)
    refuses('produce', lambda: send(topic, [{'value': b'v'}], base=base), is_refused)
    # Its consumers do not raise it: they go on asking.
    own = new_topic(by=KafkaAdminClient(**base))
    refuses('join', lambda: read(own, 1, 'forbidden', base=base), lambda e: isinstance(e, GroupAuthorizationFailedError))


@secured_case('reauth')
def reauth():
    base = sasl('SCRAM-SHA-256', 'REAUTH')
    topic = new_topic(by=KafkaAdminClient(**base))
    producer = KafkaProducer(**base)
    for i in range(40):
        producer.send(topic, b'%d' % i).get(10)
        time.sleep(0.2)
    producer.close()
    equal(len(read(topic, 40, base=base)), 40)

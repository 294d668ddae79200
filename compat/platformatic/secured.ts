/** @platformatic/kafka over TLS and SASL, with ACLs. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import {
  Admin,
  type BaseOptions,
  Consumer,
  Producer,
  SASLMechanisms,
  type SASLOptions,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { type Cases, refused, type SecuredBroker, unique, until, withSecured } from '../support/kit.ts'

type Listener = keyof SecuredBroker['bootstraps']

async function createTopic(base: BaseOptions, topic: string): Promise<void> {
  const admin = new Admin(base)
  try {
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 })
  } finally {
    await admin.close()
  }
}

async function send(base: BaseOptions, topic: string, values: readonly string[], pause = 0): Promise<void> {
  const producer = new Producer({ ...base, serializers: stringSerializers })
  try {
    for (const value of values) {
      await producer.send({ messages: [{ topic, value, partition: 0 }], acks: -1 })
      await new Promise(resolve => setTimeout(resolve, pause))
    }
  } finally {
    await producer.close()
  }
}

async function read(base: BaseOptions, topic: string, count: number, groupId = unique('group')): Promise<void> {
  const consumer = new Consumer({ ...base, groupId, deserializers: stringDeserializers })
  const got = new Set<bigint>()
  try {
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false, maxWaitTime: 200 })
    stream.on('data', ({ offset }) => got.add(offset))
    await until(
      () => `${count} records, got ${got.size}`,
      () => got.size >= count,
    )
    await stream.close()
  } finally {
    await consumer.close(true)
  }
  assert.equal(got.size, count)
}

export function securedCases(): Cases {
  return withSecured(broker => {
    const file = (name: keyof SecuredBroker['files']) => readFileSync(broker.files[name], 'utf8')
    const at = (listener: Listener) => ({ clientId: 'compat', bootstrapBrokers: broker.bootstraps[listener].split(','), retries: 1 })
    const tls = (listener: Listener, ca: 'ca' | 'otherCa' = 'ca') => ({ ...at(listener), tls: { ca: file(ca) } })
    const mutual = () => ({ ...at('SSL'), tls: { ca: file('ca'), cert: file('clientCert'), key: file('clientKey') } })
    const sasl = (mechanism: SASLOptions['mechanism'], { listener = 'SASL_SSL' as Listener, user = broker.user } = {}) => ({
      ...(listener === 'SASL_PLAINTEXT' ? at(listener) : tls(listener)),
      sasl:
        mechanism === SASLMechanisms.OAUTHBEARER
          ? { mechanism, token: file('token') }
          : { mechanism, username: user.name, password: user.password },
    })
    const works = (base: () => BaseOptions) => async () => {
      const topic = unique('topic')
      await createTopic(base(), topic)
      await send(
        base(),
        topic,
        Array.from({ length: 20 }, (_, i) => String(i)),
      )
      await read(base(), topic, 20)
    }
    const wrong = { name: broker.user.name, password: 'guess' }
    return {
      tls: works(() => tls('TLS')),
      mtls: works(mutual),
      'sasl-plain': works(() => sasl('PLAIN')),
      'sasl-plaintext': works(() => sasl('PLAIN', { listener: 'SASL_PLAINTEXT' })),
      'sasl-scram-256': works(() => sasl('SCRAM-SHA-256')),
      'sasl-scram-512': works(() => sasl('SCRAM-SHA-512')),
      oauthbearer: works(() => sasl('OAUTHBEARER')),
      async 'wrong-password'() {
        for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)
          await refused(mechanism, () => createTopic(sasl(mechanism, { user: wrong }), unique('topic')), /SASL_AUTHENTICATION_FAILED/)
      },
      'wrong-ca': () => refused('TLS', () => createTopic(tls('TLS', 'otherCa'), unique('topic')), /certificate/),
      async 'forbidden-topic'() {
        const topic = `forbidden-${unique('topic')}`
        await createTopic(sasl('PLAIN', { user: broker.admin }), topic)
        const base = sasl('SCRAM-SHA-512')
        await refused('produce', () => send(base, topic, ['v']), /TOPIC_AUTHORIZATION_FAILED/)
        await refused('create', () => createTopic(base, `forbidden-${unique('topic')}`), /TOPIC_AUTHORIZATION_FAILED/)
        const own = unique('topic')
        await createTopic(base, own)
        await refused('join', () => read(base, own, 1, 'forbidden'), /GROUP_AUTHORIZATION_FAILED/)
      },
      async reauth() {
        const base = sasl('SCRAM-SHA-256', { listener: 'REAUTH' })
        const topic = unique('topic')
        await createTopic(base, topic)
        await send(
          base,
          topic,
          Array.from({ length: 40 }, (_, i) => String(i)),
          200,
        )
        await read(base, topic, 40)
      },
    }
  })
}

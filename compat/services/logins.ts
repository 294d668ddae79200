/** Our own client and each way to log in: what is let in can write, read and consume, what is not hears why, and a session that ends is renewed unseen. */
import assert from 'node:assert/strict'
import { type Client, type ClientProperties, openClient } from '../../src/client.ts'
import { type Cases, refused, unique, until, within } from '../support/kit.ts'
import type { Secured } from '../support/secured.ts'

const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const
type Listener = keyof Secured['bootstraps']

/** REAUTH has sessions of three seconds: enough for three of them. */
const reauthSeconds = 10
const refusals = /REFUSED/

export function loginCases(secured: Secured): Cases {
  const { bootstraps, files, user } = secured
  const trust = { 'ssl.truststore.type': 'PEM', 'ssl.truststore.location': files.ca }
  const open = (listener: Listener, properties: ClientProperties) => openClient({ bootstrap: bootstraps[listener], properties })
  const login = (mechanism: string, password = user.password, token = `file://${files.token}`) =>
    mechanism === 'OAUTHBEARER'
      ? { 'sasl.mechanism': mechanism, 'sasl.oauthbearer.token.endpoint.url': token }
      : { 'sasl.mechanism': mechanism, 'sasl.jaas.config': jaas(mechanism, user.name, password) }
  const overTls = { 'security.protocol': 'SASL_SSL', ...trust }
  const plainly = { 'security.protocol': 'SASL_PLAINTEXT' }
  const certificate = { 'security.protocol': 'SSL', ...trust, 'ssl.keystore.type': 'PEM', 'ssl.keystore.location': files.client }

  const letIn: Record<string, () => Client> = {
    'a-certificate': () => open('SSL', certificate),
    tls: () => open('TLS', { 'security.protocol': 'SSL', ...trust }),
  }
  for (const mechanism of mechanisms) {
    letIn[`${mechanism.toLowerCase()}-over-tls`] = () => open('SASL_SSL', { ...overTls, ...login(mechanism) })
    letIn[`${mechanism.toLowerCase()}`] = () => open('SASL_PLAINTEXT', { ...plainly, ...login(mechanism) })
  }
  const cases = Object.entries(letIn).map(([name, opening]) => [`login/${name}`, () => works(opening)] as const)

  return {
    ...Object.fromEntries(cases),
    'login/delegation-token': async () => {
      await using owner = open('SASL_SSL', { ...overTls, ...login('SCRAM-SHA-512') })
      const token = await owner.createToken({ renewers: [] })
      await until(
        () => 'the token',
        async () => (await owner.tokens()).length > 0,
      )
      const properties = { ...overTls, 'sasl.mechanism': 'SCRAM-SHA-256' }
      await works(() => openClient({ bootstrap: bootstraps.SASL_SSL, properties, delegationToken: () => token }))
      await owner.expireToken(token.hmac)
    },
    'login/refused': async () => {
      const asking = (listener: Listener, properties: ClientProperties) => async () => {
        await using client = open(listener, properties)
        await client.topicNames()
      }
      for (const mechanism of mechanisms.slice(0, 3))
        await refused(mechanism, asking('SASL_SSL', { ...overTls, ...login(mechanism, 'wrong') }), refusals)
      await refused(
        'a file that is no token',
        asking('SASL_SSL', { ...overTls, ...login('OAUTHBEARER', '', `file://${files.ca}`) }),
        refusals,
      )
      await refused('a mechanism without a login', asking('SASL_SSL', { 'security.protocol': 'SSL', ...trust }), /./)
      await refused('no certificate', asking('SSL', { 'security.protocol': 'SSL', ...trust }), refusals)
      const other = { ...trust, 'ssl.truststore.location': files.otherCa }
      await refused('another authority', asking('TLS', { 'security.protocol': 'SSL', ...other }), refusals)
      await refused('TLS where there is none', asking('PLAINTEXT', { 'security.protocol': 'SSL', ...trust }), /does it offer TLS/)
      await refused('no TLS where there is one', asking('TLS', {}), /requires TLS|UNREACHABLE/)
    },
    'login/renewed': async () => {
      await Promise.all(mechanisms.map(mechanism => outlives(open('REAUTH', { ...overTls, ...login(mechanism) }))))
    },
  }
}

function jaas(mechanism: string, name: string, password: string): string {
  const login = mechanism === 'PLAIN' ? 'plain.Plain' : 'scram.Scram'
  return `org.apache.kafka.common.security.${login}LoginModule required username="${name}" password="${password}";`
}

async function works(opening: () => Client): Promise<void> {
  await using client = opening()
  const [topic, group] = [unique('login'), unique('login')]
  await client.createTopic({ name: topic, partitions: 1 })
  await client.send(topic, [{ key: null, value: Buffer.from('one') }])
  const writer = await client.openTransactionalWriter({ transactionalId: topic, transactionTimeoutMs: 30_000, patienceMs: 30_000 })
  await writer.send(topic, [{ key: null, value: Buffer.from('two') }])
  await writer.commit()
  await writer.close()
  const subscription = await client.subscribe({ group, topics: [topic], otherwise: 'earliest', committedOnly: true })
  const seen: string[] = []
  await within(
    60,
    (async () => {
      for await (const record of subscription) {
        seen.push(String(record.value))
        await subscription.commit([{ topic, partition: 0, offset: record.offset + 1n }])
        if (seen.length === 2) return
      }
    })(),
  )
  await subscription.close()
  assert.deepEqual(seen, ['one', 'two'])
  await client.deleteTopics([topic])
}

/** Writes and reads through the ends of several sessions, over connections that stay. */
async function outlives(client: Client): Promise<void> {
  await using _ = client
  const topic = unique('renewed')
  await client.createTopic({ name: topic, partitions: 1 })
  const writer = client.openRecordWriter({ patienceMs: 0 })
  const reader = client.openReader()
  const end = performance.now() + reauthSeconds * 1_000
  let [written, offset] = [0n, 0n]
  while (performance.now() < end || offset < written) {
    if (performance.now() < end) {
      await writer.send(topic, [{ key: null, value: Buffer.from('x') }])
      written++
    }
    const polled = await reader.poll({ positions: [{ topic, partition: 0, offset }], maxWaitMs: 50, maxBytes: 100_000 })
    offset = polled.next[0]?.offset ?? offset
    await client.topicNames()
  }
  assert.equal(offset, written)
  await Promise.all([writer.close(), reader.close()])
}

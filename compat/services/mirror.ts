/**
 * `millrace mirror` from a Kafka of three brokers to Millrace, with TLS and SCRAM on both sides: topics with configs, records with headers and timestamps, ACLs
 * and offsets of groups; and that a copy that was killed goes on without losing or doubling anything. `COMPAT_MIRROR_BROKERS` is how many brokers Kafka has.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, openClient, type ReceivedRecord } from '../../src/client.ts'
import { type Properties, type RunningBroker, startKafkaNodes, startMillrace } from '../support/brokers.ts'
import { repository } from '../support/cache.ts'
import { type Cases, unique, until } from '../support/kit.ts'
import { start } from '../support/run.ts'
import { type Secured, type StartBrokers, startSecured } from '../support/secured.ts'
import { millrace } from './ask.ts'
import { loginFile } from './secured.ts'

const brokers = Number(process.env['COMPAT_MIRROR_BROKERS'] ?? 3)
const jvm = ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const count = 20_000

export function mirrorCases(version: string, properties: Properties): Cases {
  return {
    async 'mirror/several-brokers-with-logins'() {
      const replicated = {
        ...properties,
        'default.replication.factor': String(brokers),
        'offsets.topic.replication.factor': String(brokers),
      }
      const source = await startSecured(replicated, severalKafkas(version))
      try {
        const target = await startSecured(properties, startMillrace)
        try {
          await copyAll(source, target)
        } finally {
          await target.close()
        }
      } finally {
        await source.close()
      }
    },
  }
}

/** All of its nodes, seen as one broker. */
function severalKafkas(version: string): StartBrokers {
  return async (properties, listeners) => {
    const keys = `-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${properties['sasl.oauthbearer.jwks.endpoint.url']}`
    const nodes = await startKafkaNodes(brokers, { version, properties: { ...properties, 'node.id': '1' }, listeners, jvm: [...jvm, keys] })
    const first = nodes[0]!
    const bootstraps = Object.fromEntries(
      Object.keys(first.bootstraps).map(name => [name, nodes.map(each => each.bootstraps[name]).join()]),
    )
    const each = async (work: (node: RunningBroker) => Promise<void>) => void (await Promise.all(nodes.map(work)))
    return {
      ...{ name: 'kafka', bootstrap: bootstraps['PLAINTEXT']!, bootstraps, data: first.data, startSeconds: first.startSeconds },
      get pid() {
        return nodes.map(node => node.pid)[0]!
      },
      log: () => nodes.map(node => node.log()).join(''),
      stop: signal => each(node => node.stop(signal)),
      restart: wait => each(node => node.restart(wait)),
      remove: () => each(node => node.remove()),
    }
  }
}

async function copyAll(source: Secured, target: Secured): Promise<void> {
  const from = openClient({ bootstrap: source.bootstraps.PLAINTEXT })
  const to = openClient({ bootstrap: target.bootstraps.PLAINTEXT })
  const topic = unique('mirror')
  const command = [
    ...['mirror', '--from', source.bootstraps.SASL_SSL, '--from-config', loginFile(source, source.admin, 'from.properties')],
    ...['-b', target.bootstraps.SASL_SSL, '--client-config', loginFile(target, target.admin, 'to.properties'), '-t', 'compat-*'],
  ]
  try {
    await from.createTopic({ name: topic, partitions: 4, replicas: brokers, configs: new Map([['retention.ms', '123456789000']]) })
    await fill(from, topic, 0)
    const committed = [0, 1, 2, 3].map(partition => ({ topic, partition, offset: BigInt(100 * partition + 7), metadata: `m${partition}` }))
    const group = unique('group')
    await from.setGroupOffsets(group, committed)
    const acl = {
      resourceType: 'TOPIC',
      resourceName: topic,
      patternType: 'LITERAL',
      principal: 'User:bob',
      host: '*',
      operation: 'READ',
      permission: 'ALLOW',
    } as const
    await from.createAcls([acl])

    await killedOnTheWay(command, to, topic)
    assert.match(await millrace(command), /records/)
    await assertSame(from, to, topic)
    assert.deepEqual(
      (await to.groupOffsets(group, 'classic')).sort((a, b) => a.partition - b.partition).map(each => each.offset),
      committed.map(each => each.offset),
    )
    const config = (await to.configs({ type: 'TOPIC', name: topic })).find(each => each.name === 'retention.ms')
    assert.equal(config?.value, '123456789000')
    assert.equal((await to.acls({ resourceType: 'TOPIC', resourceName: topic, principal: 'User:bob' })).length, 1)

    await fill(from, topic, count)
    await millrace(command)
    await assertSame(from, to, topic)
  } finally {
    await Promise.all([from.close(), to.close()])
  }
}

async function fill(client: Client, topic: string, first: number): Promise<void> {
  const records = Array.from({ length: count }, (_, at) => ({
    ...{ partition: at % 4, key: at % 5 === 0 ? null : Buffer.from(`k${at}`), timestampMs: 1_700_000_000_000n + BigInt(first + at) },
    value: at % 7 === 0 ? null : Buffer.from(`${first + at} `.repeat(20)),
    headers: at % 3 === 0 ? [] : [{ key: Buffer.from('h'), value: at % 2 === 0 ? null : Buffer.from([at % 256, 255]) }],
  }))
  for (let at = 0; at < count; at += 1_000) await client.send(topic, records.slice(at, at + 1_000), { compression: 'lz4' })
}

/** With kill -9, once something of the topic has arrived. */
async function killedOnTheWay(command: readonly string[], to: Client, topic: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-mirror-'))
  const child = start(process.execPath, [join(repository, 'dist/cli.js'), ...command], join(directory, 'log'))
  const ended = once(child, 'exit')
  const arrived = async () => {
    if (child.exitCode !== null) return true
    const ends = await to.offsets(topic, [0, 1, 2, 3], 'latest').catch(() => new Map<number, bigint>())
    return [...ends.values()].some(each => each > 0n)
  }
  await until(() => 'something arrives', arrived)
  child.kill('SIGKILL')
  await ended
  rmSync(directory, { recursive: true, force: true })
}

async function assertSame(from: Client, to: Client, topic: string): Promise<void> {
  const [wanted, found] = await Promise.all([recordsOf(from, topic), recordsOf(to, topic)])
  assert.equal(found.length, wanted.length)
  assert.deepEqual(found, wanted)
}

/** Without offsets, which may differ. */
async function recordsOf(client: Client, topic: string) {
  const numbers = [0, 1, 2, 3]
  const [start, until] = await Promise.all([client.offsets(topic, numbers, 'earliest'), client.offsets(topic, numbers, 'latest')])
  const all: ReceivedRecord[] = []
  for await (const records of client.read({ topic, from: start, until, committedOnly: true })) all.push(...records)
  return all
    .sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
    .map(({ partition, timestampMs, key, value, headers }) => ({
      ...{ partition, timestampMs, key: key?.toString('hex') ?? null, value: value?.toString('hex') ?? null },
      headers: headers.map(each => [String(each.key), each.value?.toString('hex') ?? null]),
    }))
}

/**
 * `millrace import` from a real Apache Kafka: everything that clients see of the cluster must be the same before and after, interrupted
 * clients must be able to continue, and the source must be unchanged.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openClient } from '../../src/client.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { connect } from '../../test/support/client.ts'
import { type RunningBroker, startKafka } from '../support/brokers.ts'
import { Missing, repository } from '../support/cache.ts'
import { run } from '../support/run.ts'
import type { Report, Suite } from '../support/suite.ts'
import { endTransaction, type Population, passwordOf, populate, send } from './population.ts'
import { type State, stateOf } from './state.ts'

const client = 'millrace-import'
const nodeId = '3'
const authorizer = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
}

export const importing: Suite = {
  folder: 'import',
  clients: [client],
  async run(target, report) {
    if (target.data === undefined || target.kafkaVersion !== undefined) throw new Missing('is about Millrace, and brings its own Kafka')
    const directory = mkdtempSync(join(repository, '.cache', 'import-'))
    const sources = ['d1', 'd2'].map(name => join(directory, name))
    const kafka = await startKafka({
      properties: {
        ...authorizer,
        'node.id': nodeId,
        'log.dirs': sources.join(),
        'offsets.topic.num.partitions': '5',
        'transaction.state.log.num.partitions': '5',
        'share.coordinator.state.topic.num.partitions': '5',
        'group.initial.rebalance.delay.ms': '0',
        'log.cleaner.backoff.ms': '200',
      },
    })
    try {
      await new Trial(directory, sources, kafka, report).run()
    } finally {
      await kafka.remove()
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

class Trial {
  readonly #directory: string
  readonly #sources: readonly string[]
  readonly #kafka: RunningBroker
  readonly #report: Report
  #targets = 0

  constructor(directory: string, sources: readonly string[], kafka: RunningBroker, report: Report) {
    this.#directory = directory
    this.#sources = sources
    this.#kafka = kafka
    this.#report = report
  }

  async run(): Promise<void> {
    const population = await populate(this.#kafkaPort, nodeId)
    const before = await stateOf(this.#kafkaPort)
    await this.#case('refused-while-kafka-runs', () => this.#refusedWhileRunning())
    await this.#kafka.stop()
    const tree = this.#tree()
    let target = ''
    await this.#case('everything-is-the-same', async () => {
      target = await this.#import()
      await this.#compare(target, before)
    })
    await this.#case('who-was-interrupted-goes-on', () => this.#goOn(target, population))
    await this.#case('users-log-in', () => this.#logIn(target))
    await this.#case('source-is-untouched', async () => assert.deepEqual(this.#tree(), tree))
    await this.#case('kafka-starts-again', async () => {
      await this.#kafka.restart()
      same(await stateOf(this.#kafkaPort), before)
    })
    await this.#case('killed-kafka', () => this.#killed())
  }

  async #case(name: string, work: () => Promise<void>): Promise<void> {
    const began = performance.now()
    try {
      await work()
      this.#report({ client, name, outcome: 'ok', detail: `(${Math.round(performance.now() - began)} ms)` })
    } catch (error) {
      this.#report({ client, name, outcome: 'FAIL', detail: (error as Error).message.slice(0, 2000) })
    }
  }

  get #kafkaPort(): number {
    return Number(this.#kafka.bootstrap.split(':')[1])
  }

  /** Path, size, time of change and content of all there is. */
  #tree(): string[] {
    return this.#sources.flatMap(source =>
      readdirSync(source, { recursive: true, encoding: 'utf8' })
        .sort()
        .map(name => {
          const { size, mtimeMs } = statSync(join(source, name))
          const content = statSync(join(source, name)).isFile() ? readFileSync(join(source, name)) : ''
          return [source, name, size, mtimeMs, createHash('sha256').update(content).digest('hex')].join(' ')
        }),
    )
  }

  #command(target: string): ReturnType<typeof run> {
    const args = [join(repository, 'src/cli.ts'), 'import', ...this.#sources, '--data', target, '--json']
    return run(process.execPath, args, { seconds: 120 })
  }

  async #import(): Promise<string> {
    const target = join(this.#directory, `target-${this.#targets++}`)
    const { code, stderr, stdout } = await this.#command(target)
    assert.equal(code, 0, stderr)
    assert.deepEqual((JSON.parse(stdout) as { offline: unknown[] }).offline, [])
    return target
  }

  #start(target: string, config: Record<string, string> = {}): Promise<Millrace> {
    return startBroker({ directory: target, config: { ...authorizer, ...config } })
  }

  async #compare(target: string, wanted: State): Promise<void> {
    await using broker = await this.#start(target)
    same(await stateOf(broker.port), wanted)
  }

  async #refusedWhileRunning(): Promise<void> {
    const target = join(this.#directory, 'none')
    const { code, stderr } = await this.#command(target)
    assert.equal(code, 1)
    assert.match(stderr, /in use by .*stop it first/)
    assert.deepEqual(readdirSync(this.#directory).sort(), ['d1', 'd2'])
  }

  async #goOn(imported: string, { idempotent, open }: Population): Promise<void> {
    const target = `${imported}-goes-on`
    cpSync(imported, target, { recursive: true })
    await using broker = await this.#start(target)
    const producer = await connect(broker.port)
    const records = [
      { key: null, value: Buffer.from('idempotent 0') },
      { key: null, value: Buffer.from('idempotent 1') },
    ]
    assert.equal(await send(producer, 'plain', { records, ...idempotent, baseSequence: 0 }), 'NONE', 'a retry is a duplicate')
    const before = (await stateOf(broker.port)).partitions['plain-0'] as { end: number }
    assert.equal(await send(producer, 'plain', { records, ...idempotent, baseSequence: 5 }), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
    assert.equal(await send(producer, 'plain', { records, ...idempotent, baseSequence: 2 }), 'NONE')
    const more = { records: [{ key: null, value: Buffer.from('open 2') }], ...open, baseSequence: 1, isTransactional: true }
    assert.equal(await send(producer, 'ledger', more, 0, 'open'), 'NONE')
    await endTransaction(producer, 'open', open, true)
    producer.close()
    await new Promise(resolve => setTimeout(resolve, 500))
    const after = await stateOf(broker.port)
    const { end } = after.partitions['plain-0'] as { end: number }
    assert.equal(end, before.end + 2)
    const ledger = after.partitions['ledger-0'] as { end: number; stableEnd: number; records: string[] }
    assert.equal(ledger.stableEnd, ledger.end)
    assert.equal(ledger.records.filter(each => /"open [12]"/.test(each)).length, 2)
  }

  async #logIn(imported: string): Promise<void> {
    const listeners = 'PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0'
    await using broker = await this.#start(imported, { listeners, 'sasl.enabled.mechanisms': 'SCRAM-SHA-512,SCRAM-SHA-256' })
    const as = (user: string, mechanism: string, password = passwordOf(user)) =>
      openClient({
        bootstrap: `127.0.0.1:${broker.ports.get('SASL_PLAINTEXT')}`,
        properties: {
          'security.protocol': 'SASL_PLAINTEXT',
          'sasl.mechanism': mechanism,
          'sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username="${user}" password="${password}";`,
        },
      })
    for (const [user, mechanism] of [
      ['alice', 'SCRAM-SHA-512'],
      ['alice', 'SCRAM-SHA-256'],
      ['bob', 'SCRAM-SHA-256'],
    ] as const) {
      await using logged = as(user, mechanism)
      // alice's ACLs let her read one topic and write those whose names begin with `led`; bob has none.
      assert.deepEqual(await logged.topicNames(), user === 'alice' ? ['ledger', 'plain'] : [])
    }
    await using wrong = as('alice', 'SCRAM-SHA-512', 'another password')
    await assert.rejects(wrong.topicNames())
  }

  /** Nothing was flushed, nothing noted, and a batch at the end is torn. */
  async #killed(): Promise<void> {
    const producer = await connect(this.#kafkaPort)
    for (let nth = 0; nth < 20; nth++)
      await send(producer, 'plain', { records: [{ key: null, value: Buffer.from(`late ${nth}`) }] }, nth % 3)
    producer.close()
    await this.#kafka.stop('SIGKILL')
    const target = await this.#import()
    await this.#kafka.restart()
    await this.#compare(target, await stateOf(this.#kafkaPort))
  }
}

function same(actual: State, wanted: State): void {
  for (const part of Object.keys(wanted) as (keyof State)[]) assert.deepEqual(actual[part], wanted[part], part)
}

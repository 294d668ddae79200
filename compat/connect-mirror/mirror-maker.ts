/** Java's worker with MirrorMaker's connectors begins, ours goes on with its topics and configurations, and Java's client reads our checkpoints. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openClient } from '../../src/client.ts'
import { distributed, Worker } from '../connect/worker.ts'
import type { Properties, RunningBroker } from '../support/brokers.ts'
import { type Cases, unique, until } from '../support/kit.ts'
import { must } from '../support/run.ts'
import { clusters, contents, countFrom, type Pair, write } from './copies.ts'

const numbers = [0, 1, 2]

export function withMirrorMaker(kafka: RunningBroker, millrace: RunningBroker, classPath: string): Cases {
  const [source, target] = [openClient({ bootstrap: kafka.bootstrap }), openClient({ bootstrap: millrace.bootstrap })]
  const run = new TakenOver({ from: kafka, to: millrace, source, target }, classPath)
  return {
    'java-begins': () => run.javaBegins(),
    'ours-goes-on': () => run.oursGoesOn(),
    'java-reads-our-checkpoints': () => run.javaReadsCheckpoints(),
    'java-goes-on': () => run.javaGoesOn(),
  }
}

class TakenOver {
  readonly #pair: Pair
  readonly #classPath: string
  readonly #topic = unique('mm2')
  readonly #config: Properties
  readonly #directory = mkdtempSync(join(tmpdir(), 'millrace-mirror-maker-'))
  #worker: Worker | null = null

  constructor(pair: Pair, classPath: string) {
    this.#pair = pair
    this.#classPath = classPath
    this.#config = distributed(unique('mirror-maker'), { 'bootstrap.servers': pair.to.bootstrap })
  }

  async javaBegins(): Promise<void> {
    await this.#pair.source.createTopic({ name: this.#topic, partitions: numbers.length })
    await this.#write(0)
    this.#worker = await Worker.start(this.#classPath, this.#directory, 'java', this.#config)
    const common = { ...clusters(this.#pair), topics: this.#topic }
    await this.#worker.rest('PUT', '/connectors/source/config', {
      ...common,
      ...{ 'connector.class': 'org.apache.kafka.connect.mirror.MirrorSourceConnector', 'tasks.max': '2' },
      ...{ 'exactly.once.support': 'required', 'consumer.isolation.level': 'read_committed' },
    })
    await this.#worker.rest('PUT', '/connectors/checkpoint/config', {
      ...common,
      ...{ 'connector.class': 'org.apache.kafka.connect.mirror.MirrorCheckpointConnector', 'refresh.groups.interval.seconds': '2' },
      ...{ 'emit.checkpoints.interval.seconds': '1', 'sync.group.offsets.enabled': 'true', 'sync.group.offsets.interval.seconds': '1' },
    })
    await this.#same()
    await this.#worker.stop()
  }

  /** The configurations and offsets are those that Java has stored. */
  async oursGoesOn(): Promise<void> {
    await this.#write(3_000)
    this.#worker = await Worker.startMillrace(this.#directory, 'ours', this.#config)
    await this.#same()
  }

  async javaReadsCheckpoints(): Promise<void> {
    const group = await this.#committed(100n)
    const translate = [
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
      '-cp',
      this.#classPath,
      'Translate',
      this.#pair.to.bootstrap,
      'a',
      group,
    ]
    let told = ''
    await until(
      () => `Java’s client reads our checkpoints, but ${told}`,
      async () => {
        told = (await must('java', translate)).trim()
        const lines = told.split('\n').filter(each => each !== '')
        const left = await Promise.all(
          lines.map(line => {
            const [, partition, offset] = /-(\d) (\d+)$/.exec(line)!
            return countFrom(this.#pair.target, `a.${this.#topic}`, Number(partition), BigInt(offset!))
          }),
        )
        assert.ok(left.every(each => each >= 100))
        return left.length === numbers.length && left.every(each => each === 100)
      },
      60,
    )
    await this.#worker!.stop()
  }

  /** It translates with our offset syncs as with its own. */
  async javaGoesOn(): Promise<void> {
    try {
      await this.#write(6_000)
      this.#worker = await Worker.start(this.#classPath, this.#directory, 'java-again', this.#config)
      await this.#same()
      const group = await this.#committed(0n)
      const { target } = this.#pair
      await until(
        () => 'Java translates a new group',
        async () => (await target.groupOffsets(group, 'classic').catch(() => [])).length === numbers.length,
        60,
      )
    } finally {
      await this.#worker?.stop()
      await Promise.all([this.#pair.source.close(), this.#pair.target.close()])
      rmSync(this.#directory, { recursive: true, force: true })
    }
  }

  #write(first: number): Promise<void> {
    return write(this.#pair.source, this.#topic, numbers.length, first, 3_000)
  }

  /** A group that is so far behind the end in each partition. */
  async #committed(back: bigint): Promise<string> {
    const group = unique('group')
    const ends = await this.#pair.source.offsets(this.#topic, numbers, 'latest')
    await this.#pair.source.setGroupOffsets(
      group,
      numbers.map(partition => ({ topic: this.#topic, partition, offset: ends.get(partition)! - back })),
    )
    return group
  }

  /** Resolves when the copy has what the source has, each record once. */
  async #same(): Promise<void> {
    const { source, target } = this.#pair
    const remote = `a.${this.#topic}`
    const wanted = await contents(source, this.#topic)
    let found: string[] = []
    await until(
      () => `the copy has ${wanted.join(', ')}, not ${found.join(', ')} ${this.#worker?.log().slice(-400)}`,
      async () => {
        found = (await target.topicNames()).includes(remote) ? await contents(target, remote) : []
        return JSON.stringify(found) === JSON.stringify(wanted)
      },
      90,
    )
  }
}

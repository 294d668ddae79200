/**
 * connector-testing: connectors without a worker, for tests: opened with the texts of a configuration, as a worker opens them, and what they tell.
 *
 * Is the public interface of `millrace/connect/testing`; the connectors of this package are tested with it, too.
 */
import { InvalidConfig, memoryFileSystem, readValue, readValues, realSystem, type System, trustingClock, UnknownConfig } from './base.ts'
import type {
  ConnectorDefinition,
  ConnectValue,
  Declarations,
  Offsets,
  Schema,
  SinkContext,
  SinkDefinition,
  SinkRecord,
  SinkTask,
  SourceContext,
  SourceDefinition,
  SourceOffset,
  SourceRecord,
  SourceTask,
  Struct,
  TopicPartition,
  ValuesOf,
} from './connector.ts'

export interface Given {
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number | bigint
  readonly keySchema?: Schema | null
  readonly key?: ConnectValue
  readonly valueSchema?: Schema | null
  readonly value?: ConnectValue
  readonly timestampMs?: number | bigint | null
  readonly headers?: SinkRecord['headers']
}

/** A record of topic `t`, partition 0. */
export function sinkRecord(given: Given = {}): SinkRecord {
  const { topic = 't', partition = 0, timestampMs = 1_796_000_000_123n } = given
  const offset = BigInt(given.offset ?? 0)
  return {
    topic,
    partition,
    offset,
    keySchema: given.keySchema ?? null,
    key: given.key ?? null,
    valueSchema: given.valueSchema ?? null,
    value: given.value ?? null,
    timestampMs: timestampMs === null ? null : BigInt(timestampMs),
    timestampType: 'CREATE_TIME',
    headers: given.headers ?? [],
    original: { topic, partition, offset },
  }
}

export const partition0: TopicPartition = { topic: 't', partition: 0 }

/** Files are in memory unless a System is given; the wall clock stands still once `nowMs` is set. */
export class TestContext implements SinkContext, SourceContext {
  readonly connector = 'test'
  readonly task = 0
  readonly system: System
  readonly reported: { record: SinkRecord; error: Error }[] = []
  readonly sought: Offsets[number][] = []
  readonly counts = new Map<string, number>()
  readonly warnings: string[] = []
  /** What a worker has stored, by the JSON of the partition. */
  readonly offsets = new Map<string, Struct>()
  readonly transaction = null
  reconfigured = 0
  nowMs: number | null = null
  readonly #controller = new AbortController()
  readonly signal: AbortSignal = this.#controller.signal
  readonly log: SinkContext['log'] = {
    debug() {},
    info() {},
    warn: (_: object, message: string) => void this.warnings.push(message),
    error() {},
  }

  constructor(system: System = realSystem(memoryFileSystem())) {
    this.system = {
      ...system,
      clock: trustingClock(
        () => this.nowMs ?? system.clock.now(),
        () => system.clock.monotonic(),
      ),
    }
  }

  async report(record: SinkRecord, error: unknown): Promise<void> {
    this.reported.push({ record, error: error as Error })
  }

  seek(offsets: Offsets): void {
    this.sought.push(...offsets)
  }

  async storedOffsets(partitions: readonly Struct[]): Promise<(Struct | null)[]> {
    return partitions.map(partition => this.offsets.get(JSON.stringify(partition)) ?? null)
  }

  async storeOffsets(offsets: readonly SourceOffset[]): Promise<void> {
    this.store(offsets)
  }

  /** As a worker does it behind the records. */
  store(offsets: readonly SourceOffset[]): void {
    for (const { sourcePartition, sourceOffset } of offsets) this.offsets.set(JSON.stringify(sourcePartition), sourceOffset)
  }

  reconfigure(): void {
    this.reconfigured++
  }

  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by)
  }

  gauge(): void {}

  end(): void {
    this.#controller.abort(new Error('the test has ended'))
  }
}

/** As a worker reads them. Throws what the keys say of a value, and for names that are no keys. */
export function valuesOf<D extends Declarations>(keys: D, given: Readonly<Record<string, string>>): ValuesOf<D> {
  for (const name of Object.keys(given)) if (keys[name] === undefined) throw new UnknownConfig('connector', name, Object.keys(keys))
  return readValues(keys, given)
}

/** What is wrong with a configuration, by key, as a worker would tell it; the definition's own check comes when each value is right. */
export async function problemsIn(
  { config, check }: ConnectorDefinition,
  given: Readonly<Record<string, string>>,
): Promise<Map<string, string>> {
  const problems = new Map<string, string>()
  for (const [name, key] of Object.entries(config))
    try {
      readValue(name, key, given[name])
    } catch (error) {
      if (!(error instanceof InvalidConfig)) throw error
      problems.set(name, error.message)
    }
  return problems.size > 0 ? problems : new Map(await check?.(readValues(config, given)))
}

export interface OpenedSink {
  readonly task: SinkTask
  readonly context: TestContext
  readonly reported: TestContext['reported']
  readonly sought: TestContext['sought']
}

export async function openSink(
  definition: SinkDefinition,
  config: Readonly<Record<string, string>>,
  context = new TestContext(),
): Promise<OpenedSink> {
  const task = await definition.open(valuesOf(definition.config, config), context)
  return { task, context, reported: context.reported, sought: context.sought }
}

export interface OpenedSource {
  readonly task: SourceTask
  readonly context: TestContext
  /** The records of so many polls; their offsets are stored. */
  read(polls?: number): Promise<SourceRecord[]>
}

export async function openSource(
  definition: SourceDefinition,
  config: Readonly<Record<string, string>>,
  context = new TestContext(),
): Promise<OpenedSource> {
  const task = await definition.open(valuesOf(definition.config, config), context)
  return {
    task,
    context,
    async read(polls = 1) {
      const found: SourceRecord[] = []
      for (let poll = 0; poll < polls; poll++) found.push(...(await task.poll()))
      context.store(found)
      await task.committed?.(
        found,
        found.map(() => null),
      )
      return found
    },
  }
}

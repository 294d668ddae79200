/** A sink without a worker, for tests: what it is given, and what it tells. */
import { defaultValue, memoryFileSystem, parseValue, realSystem, type System, trustingClock } from '../base.ts'
import type { ConnectValue, Declarations, Offsets, Schema, SinkContext, SinkRecord, ValuesOf } from '../connector.ts'

export interface Given {
  readonly topic?: string
  readonly partition?: number
  readonly offset: number
  readonly key?: ConnectValue
  readonly value: ConnectValue
  readonly schema?: Schema | null
  readonly timestampMs?: number | null
  readonly headers?: SinkRecord['headers']
}

export function sinkRecord({
  topic = 'events',
  partition = 0,
  offset,
  key = null,
  value,
  schema = null,
  timestampMs = 0,
  headers = [],
}: Given): SinkRecord {
  return {
    topic,
    partition,
    offset: BigInt(offset),
    keySchema: null,
    key,
    valueSchema: schema,
    value,
    timestampMs: timestampMs === null ? null : BigInt(timestampMs),
    timestampType: 'CREATE_TIME',
    headers,
    original: { topic, partition, offset: BigInt(offset) },
  }
}

export class TestContext implements SinkContext {
  readonly connector = 'test'
  readonly task = 0
  readonly system: System
  readonly reported: { record: SinkRecord; error: Error }[] = []
  readonly sought: Offsets[number][] = []
  readonly counts = new Map<string, number>()
  readonly warnings: string[] = []
  readonly #controller = new AbortController()
  readonly signal = this.#controller.signal
  readonly log = {
    debug() {},
    info() {},
    warn: (_: object, message: string) => void this.warnings.push(message),
    error() {},
  }
  nowMs: number | null = null

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

  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by)
  }

  gauge(): void {}

  end(): void {
    this.#controller.abort(new Error('the test has ended'))
  }
}

export function valuesOf<D extends Declarations>(keys: D, given: Readonly<Record<string, string>>): ValuesOf<D> {
  const values = Object.entries(keys).map(([name, key]) => [
    name,
    given[name] === undefined ? defaultValue(name, key) : parseValue(name, key, given[name]).value,
  ])
  return Object.fromEntries(values) as ValuesOf<D>
}

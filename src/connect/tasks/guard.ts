/**
 * Between the worker and the code of a connector, which may be anybody's: a call that does not return in time fails, and what it gives is what was asked
 * for, or the error says what it is instead. Costs a timer for each batch of records and a look at the fields of each record of a source.
 */
import type { System } from '../../base.ts'
import { isStruct, type Offsets, type SinkTask, type SourceRecord, type SourceTask } from '../../connector.ts'

export class Guard {
  readonly #timers: System['timers']
  readonly #underWay = new Set<(error: Error) => void>()
  #mostMs: number

  constructor({ timers }: Pick<System, 'timers'>, mostMs: number) {
    this.#timers = timers
    this.#mostMs = mostMs
  }

  /** The task has to end: nothing is waited for any more, and what is called then has this time. */
  hurry(lastMs: number): void {
    this.#mostMs = Math.min(lastMs, this.#mostMs)
    for (const fail of this.#underWay) fail(new Error('the task has to end, and its connector has not returned'))
  }

  /** `name`: of what is called, for people. */
  async call<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const mostMs = this.#mostMs
    const timer = this.#timers.after(mostMs, () =>
      reject(new Error(`${name} of the connector has not returned within ${mostMs} ms (task.call.timeout.ms)`)),
    )
    this.#underWay.add(reject)
    try {
      return await Promise.race([work(), late])
    } finally {
      timer.cancel()
      this.#underWay.delete(reject)
    }
  }
}

/** As the task is told, by its thread or by the worker. */
export function tooManyBuffers(megabytes: number): string {
  return `the task needed more than ${megabytes} MiB of buffers (task.buffers.mb)`
}

/** Throws TypeError for what is no task. */
export function guardedSink(made: unknown, guard: Guard): SinkTask {
  const task = taskIn<SinkTask>(made, ['put', 'flush', 'close'])
  return {
    opened: partitions => guard.call('opened', () => task.opened?.(partitions)),
    put: records => guard.call('put', () => task.put(records)),
    flush: async () => offsetsIn(await guard.call<unknown>('flush', () => task.flush())),
    closed: partitions => guard.call('closed', () => task.closed?.(partitions)),
    close: () => guard.call('close', () => task.close()),
  }
}

/** Throws TypeError for what is no task. */
export function guardedSource(made: unknown, guard: Guard): SourceTask {
  const task = taskIn<SourceTask>(made, ['poll', 'close'])
  return {
    poll: async () => recordsIn(await guard.call('poll', () => task.poll())),
    ...(task.committed !== undefined && {
      committed: (records, placed) => guard.call('committed', () => task.committed!(records, placed)),
    }),
    close: () => guard.call('close', () => task.close()),
  }
}

function taskIn<T extends object>(made: unknown, methods: readonly (keyof T & string)[]): T {
  if (typeof made !== 'object' || made === null) throw new TypeError(`open of the connector has given ${kindOf(made)} instead of a task`)
  for (const each of methods)
    if (typeof (made as T)[each] !== 'function') throw new TypeError(`the task that open of the connector has given has no method ${each}`)
  return made as T
}

/** Throws TypeError. */
export function offsetsIn(given: unknown, method = 'flush'): Offsets | undefined {
  if (given === undefined || given === null) return undefined
  if (!Array.isArray(given)) throw new TypeError(`${method} of the connector has given ${kindOf(given)} instead of offsets`)
  for (const [at, each] of given.entries()) {
    const { topic, partition, offset } = (each ?? {}) as Record<string, unknown>
    if (typeof topic !== 'string' || !isPartition(partition) || typeof offset !== 'bigint' || offset < 0n)
      throw new TypeError(
        `offset ${at} that ${method} of the connector has given is not { topic: string, partition: number, offset: bigint }`,
      )
  }
  return given as Offsets
}

/** Throws TypeError. As in Kafka Connect, nothing means no records. */
function recordsIn(given: unknown): readonly SourceRecord[] {
  if (given === undefined || given === null) return []
  if (!Array.isArray(given)) throw new TypeError(`poll of the connector has given ${kindOf(given)} instead of records`)
  for (let at = 0; at < given.length; at++) {
    const problem = problemOf(given[at])
    if (problem !== null) throw new TypeError(`record ${at} that poll of the connector has given ${problem}`)
  }
  return given as SourceRecord[]
}

function problemOf(record: SourceRecord): string | null {
  if (typeof record !== 'object' || record === null) return `is ${kindOf(record)}`
  const { topic, partition, timestampMs, headers, sourcePartition, sourceOffset } = record
  if (typeof topic !== 'string' || topic === '') return `has ${kindOf(topic)} as topic, which is to be a string`
  if (partition !== null && !isPartition(partition)) return `has ${kindOf(partition)} as partition, which is to be a whole number or null`
  if (timestampMs !== null && typeof timestampMs !== 'bigint')
    return `has ${kindOf(timestampMs)} as timestampMs, which is to be a bigint or null`
  if (!Array.isArray(headers)) return `has ${kindOf(headers)} as headers, which are to be an array`
  if (!isStruct(sourcePartition)) return `has ${kindOf(sourcePartition)} as sourcePartition, which is to be a struct`
  if (!isStruct(sourceOffset)) return `has ${kindOf(sourceOffset)} as sourceOffset, which is to be a struct`
  return null
}

function isPartition(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0
}

/** For errors: it may be anything. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean') return String(value)
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

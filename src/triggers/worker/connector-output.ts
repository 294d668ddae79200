/** What a function returns, written by a sink connector: a worker of connectors with one task, made small. */
import { growingMs, type Hiding, hidingOf, parseLossless, type System } from '../../base.ts'
import type { RecordToSend } from '../../client.ts'
import { type ConnectValue, RetriableError, type SinkRecord, type SinkTask, struct, type TaskContext } from '../../connector.ts'
import type { Logger } from '../../logger.ts'
import { Unavailable } from '../callee.ts'
import { BadResult, recordsOf } from '../results.ts'
import { connectorKeys, type SinkTarget, sinkOf } from '../sink.ts'
import type { Entry } from './batch.ts'
import type { Lane } from './lane.ts'
import type { Output, OutputOptions, Refused } from './output.ts'

const pauseMs = { first: 250, last: 30_000 }

export class ConnectorOutput implements Output {
  readonly #name: string
  readonly #target: SinkTarget
  readonly #system: System
  readonly #logger: Logger
  readonly #onFailure: OutputOptions['onFailure']
  /** Of all that the connector says and throws. */
  #hiding: Hiding
  readonly #stop = new AbortController()
  #task: Promise<SinkTask> | null = null
  readonly #opened = new Set<string>()
  /** Methods of a task are called one at a time. */
  #tail: Promise<unknown> = Promise.resolve()
  #refused: { offset: bigint; error: Error }[] = []

  constructor(name: string, target: SinkTarget, { system, logger, onFailure }: Pick<OutputOptions, 'system' | 'logger' | 'onFailure'>) {
    this.#name = name
    this.#target = target
    this.#hiding = hidingOf(target.config, target.config, {})
    this.#system = system
    this.#logger = logger
    this.#onFailure = onFailure
  }

  async deliver(result: unknown, entries: readonly Entry[], lane: Lane): Promise<readonly Refused[]> {
    const made = recordsOf(result)
    if (made.length === 0) return []
    const records = sinkRecords(made, entries)
    const done = this.#tail.then(() => this.#put(records, entries, lane))
    this.#tail = done.catch(() => {})
    return done
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#tail
    await this.#end()
  }

  /** Tries until the target takes them. Throws Unavailable if the task has failed: then the function is called again, and a new task opened. */
  async #put(records: readonly SinkRecord[], entries: readonly Entry[], lane: Lane): Promise<Refused[]> {
    for (let attempt = 0; ; attempt++) {
      this.#refused = []
      try {
        await this.#putOnce(records, lane)
        lane.settled(records)
        const entryOf = (offset: bigint) => entries.find(({ record }) => record.offset === offset) ?? entries.at(-1)!
        return this.#refused.map(({ offset, error }) => ({ entry: entryOf(offset), error }))
      } catch (error) {
        lane.signal.throwIfAborted()
        if (!(error instanceof RetriableError)) {
          await this.#end()
          const cause = this.#hiding.error(error)
          throw new Unavailable(`the connector ${this.#target.connector} has failed: ${cause.message}`, { cause })
        }
        const err = this.#hiding.error(error)
        this.#onFailure(err)
        lane.failed(records, err, `the connector ${this.#target.connector} tries again: ${err.message}`)
        await lane.pause(error.retryAfterMs ?? growingMs(pauseMs, attempt))
      }
    }
  }

  async #putOnce(records: readonly SinkRecord[], { topic, partition }: Lane): Promise<void> {
    this.#task ??= this.#open()
    const task = await this.#task.catch(error => {
      this.#task = null
      throw error
    })
    const place = `${topic}-${partition}`
    if (!this.#opened.has(place)) await task.opened?.([{ topic, partition }])
    this.#opened.add(place)
    await task.put(records)
    const flushed = await task.flush()
    if (flushed === undefined) return
    const safe = flushed.find(each => each.topic === topic && each.partition === partition)
    if (safe === undefined || safe.offset <= records.at(-1)!.offset)
      throw new Error('it has not written all records after a flush, and a trigger commits only what is written')
  }

  async #open(): Promise<SinkTask> {
    const { config, connector } = this.#target
    this.#hiding = hidingOf(config, config, await connectorKeys(connector))
    const { sink, values } = await sinkOf(this.#target)
    return sink.open(values, {
      connector: `trigger-${this.#name}`,
      task: 0,
      system: this.#system,
      log: hidden(this.#logger, this.#hiding),
      signal: this.#stop.signal,
      count: () => {},
      gauge: () => {},
      report: async ({ original }, error) => void this.#refused.push({ offset: original.offset, error: this.#hiding.error(error) }),
      seek: () => {},
    })
  }

  async #end(): Promise<void> {
    const task = this.#task
    this.#task = null
    this.#opened.clear()
    await task
      ?.then(each => each.close())
      .catch(error => {
        const err = this.#hiding.error(error)
        this.#logger.warn({ trigger: this.#name, err }, 'the connector of a trigger has ended with an error')
      })
  }
}

function hidden(logger: Logger, { text, fields }: Hiding): TaskContext['log'] {
  return {
    debug: (details, message) => logger.debug(fields(details), text(message)),
    info: (details, message) => logger.info(fields(details), text(message)),
    warn: (details, message) => logger.warn(fields(details), text(message)),
    error: (details, message) => logger.error(fields(details), text(message)),
  }
}

/** Each has the offset of what it was made from, so that what is written twice is the same; where that cannot be told, its key must say so. */
function sinkRecords(made: readonly RecordToSend[], entries: readonly Entry[]): SinkRecord[] {
  const isOneToOne = made.length === entries.length
  if (!isOneToOne && made.some(({ key }) => key === null))
    throw new BadResult('a function whose output is a connector returns one record for each that it was called with, or a key for each')
  return made.map(({ key, value, headers = [], timestampMs }, index) => {
    const { topic, partition, offset, timestampMs: of } = (isOneToOne ? entries[index] : entries.at(-1))!.record
    return {
      ...{ topic, partition, offset, original: { topic, partition, offset }, timestampType: 'CREATE_TIME' as const },
      ...{ keySchema: null, key: key?.toString() ?? null, valueSchema: null, value: value === null ? null : contentOf(value.toString()) },
      timestampMs: timestampMs ?? of,
      headers: headers.map(each => ({ name: each.key.toString(), schema: null, value: each.value?.toString() ?? null })),
    }
  })
}

/** JSON, or text. */
function contentOf(text: string): ConnectValue {
  try {
    return connectValue(parseLossless(text))
  } catch {
    return text
  }
}

function connectValue(value: unknown): ConnectValue {
  if (Array.isArray(value)) return value.map(connectValue)
  if (typeof value !== 'object' || value === null) return value as ConnectValue
  return struct(Object.entries(value).map(([name, each]) => [name, connectValue(each)] as const))
}

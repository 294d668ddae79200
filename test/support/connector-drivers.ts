/** A connector as a worker drives it, without a worker: opened, used, closed when it fails, and opened again where it was. */
import { memoryFileSystem, realSystem } from '../../src/base.ts'
import { RetriableError, type SinkDefinition, type SinkTask, type SourceDefinition, type SourceTask, struct } from '../../src/connector.ts'
import { partition0, sinkRecord, TestContext, valuesOf } from '../../src/connector-testing.ts'

/** Of the records with which all are tried. */
export const count = 3
/** Time-outs, repetitions by the connector itself, and a busy machine. */
const mostMs = 20_000
const closingMs = 3_000

const records = Array.from({ length: count }, (_, n) =>
  sinkRecord({
    offset: n,
    key: `k${n}`,
    value: struct([
      ['n', n],
      ['text', `rec-${n}`],
    ]),
  }),
)

const { timers } = realSystem()

export function inTime<T>(what: string, ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = timers.after(ms, () => reject(new Error(`${what} did not come to its end within ${ms} ms`)))
    work.then(resolve, reject).finally(() => timer.cancel())
  })
}

export abstract class Driver<T extends SinkTask | SourceTask> {
  readonly #system = realSystem(memoryFileSystem())
  protected task: T | null = null
  context = new TestContext(this.#system)
  readonly reported = new Map<number, Error>()
  readonly errors: Error[] = []
  /** So many records are said to be done. */
  confirmed = 0

  protected abstract open(context: TestContext): Promise<T>
  protected abstract use(task: T): Promise<void>

  /** Whether all is done. */
  async attempt(): Promise<boolean> {
    try {
      await inTime('it', mostMs, this.#once())
      return this.confirmed >= count
    } catch (error) {
      this.errors.push(error as Error)
      if (!(error instanceof RetriableError)) await this.close()
      return false
    } finally {
      for (const { record, error } of this.context.reported) this.reported.set(Number(record.offset), error)
    }
  }

  async #once(): Promise<void> {
    if (this.task === null) {
      const { offsets } = this.context
      this.context = new TestContext(this.#system)
      for (const [partition, offset] of offsets) this.context.offsets.set(partition, offset)
      this.task = await this.open(this.context)
    }
    await this.use(this.task)
  }

  async close(): Promise<void> {
    const { task } = this
    this.task = null
    this.context.end()
    await inTime('close', closingMs, task?.close() ?? Promise.resolve())
  }
}

export class SinkDriver extends Driver<SinkTask> {
  readonly #definition: SinkDefinition
  readonly #config: Readonly<Record<string, string>>
  #isPut = false

  constructor(definition: SinkDefinition, config: Readonly<Record<string, string>>) {
    super()
    this.#definition = definition
    this.#config = config
  }

  protected async open(context: TestContext): Promise<SinkTask> {
    this.#isPut = false
    const task = await this.#definition.open(valuesOf(this.#definition.config, this.#config), context)
    this.task = task
    await task.opened?.([partition0])
    return task
  }

  protected async use(task: SinkTask): Promise<void> {
    const from = this.context.sought.at(-1)?.offset ?? BigInt(this.confirmed)
    if (!this.#isPut) await task.put(records.slice(Number(from)))
    this.#isPut = true
    const offsets = (await task.flush()) ?? [{ ...partition0, offset: BigInt(count) }]
    this.confirmed = Math.max(this.confirmed, Number(offsets[0]?.offset ?? 0n))
  }
}

export class SourceDriver extends Driver<SourceTask> {
  readonly #definition: SourceDefinition
  readonly #config: Readonly<Record<string, string>>
  /** What it gave, as text. */
  readonly given: string[] = []

  constructor(definition: SourceDefinition, config: Readonly<Record<string, string>>) {
    super()
    this.#definition = definition
    this.#config = config
  }

  protected async open(context: TestContext): Promise<SourceTask> {
    return this.#definition.open(valuesOf(this.#definition.config, this.#config), context)
  }

  protected async use(task: SourceTask): Promise<void> {
    for (let poll = 0; poll < 3 && this.confirmed < count; poll++) {
      const found = await task.poll()
      this.context.store(found)
      for (const { value } of found)
        this.given.push(
          Buffer.isBuffer(value) ? value.toString() : JSON.stringify(value, (_, each) => (each instanceof Map ? [...each] : each)),
        )
      this.confirmed = this.given.length
      await task.committed?.(
        found,
        found.map(() => null),
      )
    }
  }
}

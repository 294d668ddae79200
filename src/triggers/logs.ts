/**
 * What functions write, and what happens to triggers, as records of a topic: kept for a week, read by the API.
 *
 * Logging never holds a function up: lines wait in memory up to a limit, and beyond it they are dropped and counted.
 */
import type { System, Timer } from '../base.ts'
import { type Client, ClientError, type ReceivedRecord, type RecordToSend } from '../client.ts'
import type { Logger } from '../logger.ts'
import type { Trigger } from './store.ts'

export const logTopic = '__millrace_trigger_logs'

export interface LogLine {
  readonly v: 1
  readonly trigger: string
  readonly version: number
  readonly time: string
  /** `system`: of the worker. */
  readonly stream: 'stdout' | 'stderr' | 'system'
  readonly requestId: string | null
  readonly message: string
}

const mostWaitingBytes = 4_194_304
const mostWaitingLines = 10_000
const flushMs = 200
const tellMs = 60_000
const retentionMs = 604_800_000
/** Who writes without end must not fill the disks of the brokers. */
const retentionBytes = 1_073_741_824
const segmentBytes = 67_108_864

type Source = Pick<Trigger, 'name' | 'version' | 'origin'>

const originHeader = Buffer.from('origin')

/** Whether it is a line of this trigger, and not of an earlier one with the same name. */
export function isLineOf({ name, origin }: Pick<Source, 'name' | 'origin'>, { key, headers }: ReceivedRecord): boolean {
  return key?.toString() === name && (headers.find(header => header.key.equals(originHeader))?.value?.toString() ?? '') === origin
}

export class TriggerLogs {
  readonly #client: Client
  readonly #system: Pick<System, 'clock' | 'timers'>
  readonly #logger: Logger
  #waiting: RecordToSend[] = []
  #waitingBytes = 0
  /** Lines by trigger. */
  #dropped = new Map<string, number>()
  #lost = 0
  #toldMs = Number.NEGATIVE_INFINITY
  #timer: Timer | null = null
  #flushing: Promise<void> = Promise.resolve()

  constructor({ client, system, logger }: { client: Client; system: Pick<System, 'clock' | 'timers'>; logger: Logger }) {
    this.#client = client
    this.#system = system
    this.#logger = logger
  }

  /** Resolves when there is the topic. */
  async open(): Promise<void> {
    const configs = new Map([
      ['cleanup.policy', 'delete'],
      ['retention.ms', String(retentionMs)],
      ['retention.bytes', String(retentionBytes)],
      ['segment.bytes', String(segmentBytes)],
    ])
    await this.#client.createTopic({ name: logTopic, partitions: 1, configs }).catch(error => {
      if (!(error instanceof ClientError) || error.code !== 'TOPIC_ALREADY_EXISTS') throw error
    })
  }

  write({ name, version, origin }: Source, stream: LogLine['stream'], text: string, requestId: string | null = null): void {
    if (this.#waiting.length >= mostWaitingLines) {
      this.#drop(name)
      return
    }
    const time = new Date(this.#system.clock.now()).toISOString()
    const line: LogLine = { v: 1, trigger: name, version, time, stream, requestId, message: text }
    const value = Buffer.from(JSON.stringify(line))
    if (this.#waitingBytes + value.length > mostWaitingBytes) {
      this.#drop(name)
      return
    }
    this.#waiting.push({ key: Buffer.from(name), value, headers: [{ key: originHeader, value: Buffer.from(origin) }], partition: 0 })
    this.#waitingBytes += value.length
    this.#timer ??= this.#system.timers.after(flushMs, () => void this.flush())
  }

  #drop(trigger: string): void {
    this.#dropped.set(trigger, (this.#dropped.get(trigger) ?? 0) + 1)
  }

  /** Resolves when all that was written before is stored, or lost. */
  flush(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = null
    this.#flushing = this.#flushing.then(() => this.#send())
    return this.#flushing
  }

  async #send(): Promise<void> {
    const records = this.#waiting
    if (records.length === 0) return
    this.#waiting = []
    this.#waitingBytes = 0
    try {
      await this.#store(records)
      this.#tell(null)
    } catch (error) {
      this.#lost += records.length
      this.#tell(error)
    }
  }

  async #store(records: readonly RecordToSend[]): Promise<void> {
    const send = () => this.#client.send(logTopic, records, { acks: 1, creates: false })
    try {
      await send()
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
      // Somebody has deleted it. Made by the broker it would not have its limits.
      await this.open()
      await send()
    }
  }

  /** From time to time: it may go on for long. */
  #tell(error: unknown): void {
    const nowMs = this.#system.clock.monotonic()
    if ((this.#lost === 0 && this.#dropped.size === 0) || nowMs - this.#toldMs < tellMs) return
    this.#toldMs = nowMs
    if (this.#lost > 0) this.#logger.warn({ lines: this.#lost, err: error }, 'what functions have written cannot be stored')
    for (const [trigger, lines] of this.#dropped)
      this.#logger.warn({ trigger, lines }, 'functions have written more than can be stored; lines are missing')
    this.#lost = 0
    this.#dropped.clear()
  }
}

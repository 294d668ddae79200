/** How a trigger calls its function with records, and what it does with what the function returns: the seam between lanes, functions, and Kafka. */
import type { CommittedOffset, Membership, PartitionName, ReceivedRecord } from '../../client.ts'
import { ExprError } from '../../expr.ts'
import { type Callee, openCallee, Unavailable } from '../callee.ts'
import { groupOf, retriesOf } from '../definition.ts'
import { type Envelope, envelopeOf } from '../envelope.ts'
import type { RecordFilter } from '../filter.ts'
import type { TriggerCounts } from '../metrics.ts'
import { BadResult, firstFailure, isBatchResponse } from '../results.ts'
import { FunctionError } from '../runner/process.ts'
import type { Trigger } from '../store.ts'
import { type BatchActions, type Entry, type GivenUp, processBatch } from './batch.ts'
import { sendFailures } from './failures.ts'
import { Lane } from './lane.ts'
import { type Output, openOutput } from './output.ts'
import { Slots } from './slots.ts'
import type { WorkerContext } from './worker.ts'

export class Caller {
  readonly #trigger: Trigger
  readonly #context: WorkerContext
  readonly #membership: Membership
  /** null: there is none. */
  readonly #filter: RecordFilter | null
  readonly #callee: Callee
  readonly #envelope: Envelope
  readonly #slots: Slots
  readonly #output: Output
  readonly #counts: TriggerCounts
  #requests = 0

  constructor(trigger: Trigger, context: WorkerContext, membership: Membership, filter: RecordFilter | null) {
    this.#trigger = trigger
    this.#context = context
    this.#membership = membership
    this.#filter = filter
    const { name, version, definition } = trigger
    this.#callee = openCallee(definition.function, {
      id: `${name} ${version}`,
      pool: context.pool,
      system: context.system,
      onOutput: (stream, line, requestId) => {
        if (line.trim() !== '') context.logs.write(trigger, stream, line, requestId)
      },
    })
    this.#envelope = envelopeOf(definition, { bootstrap: context.bootstrap, clusterId: context.clusterId, extended: definition.extended })
    this.#slots = new Slots(definition.concurrency.most)
    this.#counts = context.metrics.of(name)
    const onFailure = (error: Error) => this.#notDelivered(error)
    this.#output = openOutput(trigger, { ...context, membership, group: groupOf(name, definition), onFailure })
  }

  lane({ topic, partition }: PartitionName, from: bigint, onFailure: (error: unknown) => void): Lane {
    const { batchSize, maxWaitMs, maxEventBytes, concurrency } = this.#trigger.definition
    return new Lane({
      ...{ topic, partition, from, batchSize, maxWaitMs, onFailure },
      maxItemBytes: maxEventBytes - this.#envelope.overhead,
      callsAtOnce: concurrency.per === 'key' ? concurrency.most : 1,
      system: this.#context.system,
      toItem: record => (this.#passes(record) ? this.#envelope.item(record) : null),
      onStuck: error =>
        this.#context.logger.warn(
          { trigger: this.#trigger.name, topic, partition, err: error },
          'records of a trigger are tried again and again, and those behind them wait',
        ),
      work: (lane, entries) => this.#work(lane, entries),
      tooLarge: (lane, entry) => {
        const error = new FunctionError('error', 'EventTooLarge', `the record alone makes an event of more than ${maxEventBytes} bytes`)
        return this.#giveUp(lane, [entry], { error, attempts: 0 })
      },
    })
  }

  /** Before it is asked where these partitions are read from. */
  async begin(partitions: readonly PartitionName[]): Promise<void> {
    await this.#output.begin?.(partitions).catch(error => {
      this.#notDelivered(error)
      throw error
    })
  }

  /** Of what is done. Resolves to those that are committed now. */
  async commit(offsets: readonly CommittedOffset[]): Promise<readonly CommittedOffset[]> {
    if (this.#output.commit !== undefined) return this.#output.commit(offsets)
    await this.#membership.commit(offsets)
    return offsets
  }

  async close(): Promise<void> {
    this.#callee.close()
    await this.#output.close()
  }

  /** A filter that cannot say whether a record matches leaves it out. */
  #passes(record: ReceivedRecord): boolean {
    if (this.#filter === null) return true
    let passes = false
    try {
      passes = this.#filter(record)
    } catch (error) {
      if (!(error instanceof ExprError)) throw error
      this.#counts.filterErrors++
    }
    if (!passes) {
      this.#counts.filtered++
      this.#counts.records++
    }
    return passes
  }

  async #work(lane: Lane, entries: readonly Entry[]): Promise<void> {
    const { definition } = this.#trigger
    const isLambda = definition.envelope === 'aws'
    const { topic, partition } = lane
    const actions: BatchActions = {
      call: (some, attempt) => this.#call(lane, some, attempt),
      firstFailure: (result, some) =>
        isLambda ? firstFailure(result, topic, partition, new Set(some.map(({ record }) => record.offset))) : null,
      deliver: async (result, some) => {
        const given = isLambda && isBatchResponse(result) ? null : result
        const refused = await this.#output.deliver(given, some, lane).catch(error => {
          // What is no result is a failure of the function.
          if (!(error instanceof BadResult || lane.signal.aborted)) this.#notDelivered(error)
          throw error
        })
        this.#counts.records += some.length - refused.length
        for (const { entry, error } of refused) await this.#giveUp(lane, [entry], { error, attempts: 1 })
      },
      giveUp: (some, reason) => this.#giveUp(lane, some, reason),
      pause: ms => lane.pause(ms),
      refused: error => this.#failed(error),
      again: error => lane.failed(entries, error, toldOf(error)),
      now: () => this.#context.system.clock.now(),
    }
    const { maxAgeMs, bisect } = definition
    await processBatch(entries, { retries: retriesOf(definition), maxAgeMs, bisect }, actions)
    lane.settled(entries)
  }

  async #call(lane: Lane, entries: readonly Entry[], attempt: number): Promise<unknown> {
    const { name, version } = this.#trigger
    const { clock } = this.#context.system
    const waits = !this.#slots.isFree || this.#callee.isBusy
    if (waits) this.#counts.throttles++
    const release = await this.#slots.take(lane.signal)
    let beganMs: number | null = null
    const begun = (isCold: boolean) => {
      // It may have waited for long.
      lane.signal.throwIfAborted()
      beganMs = clock.monotonic()
      if (isCold) this.#counts.coldStarts++
    }
    const info = {
      requestId: `${name}-${version}-${lane.topic}-${lane.partition}-${entries[0]!.record.offset}-${++this.#requests}`,
      functionName: name,
      functionVersion: String(version),
      attempt,
    }
    try {
      this.#counts.calls++
      const event = this.#envelope.event(
        entries.map(({ item }) => item),
        lane.topic,
        lane.partition,
      )
      const result = await this.#callee.call(event, this.#envelope.contentType, info, begun)
      // Others may have begun with the same records by now.
      lane.signal.throwIfAborted()
      return result
    } catch (error) {
      if (lane.signal.aborted && beganMs !== null)
        this.#context.logs.write(
          this.#trigger,
          'system',
          `what the call returns is not used, and its records are called with again: ${(lane.signal.reason as Error).message}`,
          info.requestId,
        )
      lane.signal.throwIfAborted()
      if (!waits && error instanceof Unavailable && error.isThrottle) this.#counts.throttles++
      this.#failed(error, info.requestId)
      throw error
    } finally {
      if (beganMs !== null) this.#counts.seconds += (clock.monotonic() - beganMs) / 1_000
      release()
    }
  }

  /** By the target of the output; it is tried again. */
  #notDelivered(error: unknown): void {
    const { message } = error as Error
    this.#count('delivery', message)
    this.#context.logs.write(this.#trigger, 'system', `what the function returns cannot be delivered, which is tried again: ${message}`)
  }

  #count(kind: string, message: string): void {
    const { errors } = this.#counts
    errors[kind] = (errors[kind] ?? 0) + 1
    this.#counts.lastError = { at: new Date(this.#context.system.clock.now()).toISOString(), kind, message }
  }

  #failed(error: unknown, requestId: string | null = null): void {
    const kind =
      error instanceof FunctionError
        ? error.kind
        : error instanceof Unavailable
          ? 'unavailable'
          : error instanceof BadResult
            ? 'result'
            : 'other'
    this.#count(kind, (error as Error).message)
    const told = toldOf(error)
    const trace = error instanceof FunctionError ? error.trace : null
    // The trace begins with what was thrown.
    const text = trace?.startsWith(told) === true ? trace : `${told}${trace ? `\n${trace}` : ''}`
    this.#context.logs.write(this.#trigger, 'system', `the call has failed (${kind}): ${text}`, requestId)
  }

  async #giveUp(lane: Lane, entries: readonly Entry[], reason: GivenUp): Promise<void> {
    await sendFailures(this.#trigger, this.#context, lane, entries, reason)
    this.#counts.givenUp += entries.length
    this.#counts.records += entries.length
  }
}

function toldOf(error: unknown): string {
  const { message, type } = error as Error & { type?: string }
  return type === undefined ? message : `${type}: ${message}`
}

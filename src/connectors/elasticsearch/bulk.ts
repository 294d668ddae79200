/**
 * Bulk requests: several at the same time, repeated while the target is away or overloaded, with an answer for each record.
 *
 * Keeps the order of records of one document where it matters: a request with such a record waits until no other request has one of the same document, and
 * what is repeated is repeated with everything behind it for the same document. Memory is bounded by records and bytes that wait for an answer.
 */

import type { Timer } from '../../base.ts'
import { DataError, RetriableError, type SinkContext } from '../../connector.ts'
import { backoffMs, pause } from '../waits.ts'
import { Refused, type SearchClient } from './client.ts'
import type { Operation } from './documents.ts'
import type { ElasticsearchConfig } from './keys.ts'

interface Batch {
  readonly operations: Operation[]
  bytes: number
  /** Documents of which no other request may have a record. */
  readonly ordered: Set<string>
}

interface Result {
  readonly status: number
  readonly error?: { readonly type?: string; readonly reason?: string; readonly caused_by?: { readonly reason?: string } } | string
}

export class BulkWriter {
  readonly #config: ElasticsearchConfig
  readonly #client: SearchClient
  readonly #context: SinkContext
  #filling: Batch = emptyBatch()
  readonly #queue: Batch[] = []
  /** Requests without an answer yet, and the documents of which no other may have a record. */
  #flying = 0
  readonly #inFlight = new Set<string>()
  #records = 0
  #bytes = 0
  #failure: unknown = null
  #linger: Timer | null = null
  #woken: (() => void)[] = []

  constructor(config: ElasticsearchConfig, client: SearchClient, context: SinkContext) {
    this.#config = config
    this.#client = client
    this.#context = context
  }

  /** Throws what a request failed with since. */
  requireWell(): void {
    if (this.#failure !== null) throw this.#failure
  }

  /** null: there is room for more; otherwise resolves when there is. Throws as requireWell. */
  add(operation: Operation): Promise<void> | null {
    this.requireWell()
    const most = this.#config['bulk.size.bytes']
    const size = operation.lines.length
    if (most > 0 && this.#filling.bytes + size > most && this.#filling.operations.length > 0) this.#send()
    this.#filling.operations.push(operation)
    this.#filling.bytes += size
    if (operation.isOrdered && operation.document !== null) this.#filling.ordered.add(operation.document)
    this.#records++
    this.#bytes += size
    if (this.#filling.operations.length >= this.#config['batch.size']) this.#send()
    else this.#linger ??= this.#context.system.timers.after(this.#config['linger.ms'], () => this.#send())
    if (!this.#isFull()) return null
    this.#send()
    return this.#until(() => !this.#isFull())
  }

  /** Resolves when all have an answer. */
  async flush(): Promise<void> {
    this.#send()
    await this.#until(() => this.#records === 0)
  }

  close(): void {
    this.#linger?.cancel()
    this.#failure ??= new Error('the task has ended')
    this.#wake()
  }

  #isFull(): boolean {
    return this.#records >= this.#config['max.buffered.records'] || this.#bytes >= this.#config['max.buffered.bytes']
  }

  #send(): void {
    this.#linger?.cancel()
    this.#linger = null
    if (this.#filling.operations.length === 0) return
    this.#queue.push(this.#filling)
    this.#filling = emptyBatch()
    this.#start()
  }

  #start(): void {
    while (this.#failure === null && this.#flying < this.#config['max.in.flight.requests']) {
      const batch = this.#queue[0]
      if (batch === undefined || [...batch.ordered].some(document => this.#inFlight.has(document))) return
      this.#queue.shift()
      this.#flying++
      for (const document of batch.ordered) this.#inFlight.add(document)
      void this.#settle(batch)
    }
  }

  async #settle(batch: Batch): Promise<void> {
    try {
      await this.#write(batch.operations)
    } catch (error) {
      this.#failure ??= error
    }
    this.#flying--
    for (const document of batch.ordered) this.#inFlight.delete(document)
    this.#records -= batch.operations.length
    this.#bytes -= batch.bytes
    this.#start()
    this.#wake()
  }

  /** Until each has an answer that stays. */
  async #write(operations: readonly Operation[]): Promise<void> {
    let left = operations
    for (let attempt = 0; left.length > 0 && this.#failure === null; attempt++) {
      let reason: string
      let waitMs: number | null = null
      try {
        const results = await this.#ask(left)
        const [again, why] = await this.#sorted(left, results)
        left = again
        reason = why
      } catch (error) {
        if (error instanceof Refused && (error.status === 413 || error.status === 400)) {
          await this.#divided(left, error)
          return
        }
        if (!(error instanceof RetriableError)) throw error
        reason = error.message
        waitMs = error.retryAfterMs
      }
      if (left.length === 0) return
      if (attempt >= this.#config['max.retries']) throw new Error(`gave up after ${attempt + 1} attempts: ${reason}`)
      this.#context.count('requests_repeated')
      this.#context.log.debug({ attempt: attempt + 1, records: left.length, reason }, 'a request is repeated')
      const ms = backoffMs(
        this.#context.system,
        { first: this.#config['retry.backoff.ms'], last: this.#config['max.retry.backoff.ms'] },
        attempt,
      )
      await pause(this.#context.system, Math.max(ms, waitMs ?? 0), this.#context.signal)
    }
  }

  async #ask(operations: readonly Operation[]): Promise<readonly Result[]> {
    const bulk = Buffer.concat(operations.map(each => each.lines))
    const body = await this.#client.send({ method: 'POST', path: '/_bulk', query: { filter_path: 'items.*.status,items.*.error' }, bulk })
    const items = (body as { items?: unknown } | null)?.items
    if (!Array.isArray(items) || items.length !== operations.length)
      throw new RetriableError(
        `POST /_bulk: the answer has no result for each of ${operations.length} records; is this Elasticsearch or OpenSearch?`,
      )
    this.#context.count('requests')
    return items.map((item: unknown, index) => {
      const result = (item as Record<string, Result> | null)?.[operations[index]!.kind]
      if (typeof result?.status !== 'number') throw new RetriableError('POST /_bulk: a result has no status')
      return result
    })
  }

  /** What is to be written again, and why. */
  async #sorted(operations: readonly Operation[], results: readonly Result[]): Promise<[again: Operation[], why: string]> {
    const again: Operation[] = []
    const behind = new Set<string>()
    let why = ''
    for (const [index, operation] of operations.entries()) {
      const result = results[index]!
      const isBehind = operation.isOrdered && operation.document !== null && behind.has(operation.document)
      if (isBehind || isPassing(operation, result)) {
        again.push(operation)
        if (operation.document !== null) behind.add(operation.document)
        if (!isBehind) why = textOf(result)
      } else if (result.status >= 300) await this.#refused(operation, result)
    }
    return [again, why]
  }

  async #refused(operation: Operation, result: Result): Promise<void> {
    // Written before, or a newer record was: both are what an external version and a new id are for.
    if (result.status === 409 && operation.kind !== 'update') this.#context.count('version_conflicts')
    else if (result.status === 404 && operation.kind === 'delete') return
    else if (result.status === 400) await this.#malformed(operation, textOf(result))
    else throw new Error(`the target refuses a record: ${textOf(result)}`)
  }

  async #malformed(operation: Operation, reason: string): Promise<void> {
    const behavior = this.#config['behavior.on.malformed.documents']
    this.#context.count('documents_refused')
    if (behavior === 'FAIL') {
      await this.#context.report(operation.record, new DataError(`the target refuses the document: ${reason}`))
      return
    }
    const { topic, partition, offset } = operation.record.original
    if (behavior === 'WARN')
      this.#context.log.warn({ topic, partition, offset: String(offset), reason }, 'a document that the target refuses is left out')
  }

  /** The request as a whole was refused: too large, or because of one of its records. Halves of it find out which. */
  async #divided(operations: readonly Operation[], refusal: Refused): Promise<void> {
    if (operations.length === 1) {
      await this.#malformed(operations[0]!, refusal.message)
      return
    }
    const middle = operations.length >> 1
    await this.#write(operations.slice(0, middle))
    await this.#write(operations.slice(middle))
  }

  #wake(): void {
    const woken = this.#woken
    this.#woken = []
    for (const each of woken) each()
  }

  async #until(isSo: () => boolean): Promise<void> {
    let isLate = false
    const ms = this.#config['flush.timeout.ms']
    const timer = this.#context.system.timers.after(ms, () => {
      isLate = true
      this.#wake()
    })
    try {
      while (!isSo()) {
        this.requireWell()
        if (isLate) throw new Error(`the target has not answered all requests within flush.timeout.ms, ${ms} ms`)
        await new Promise<void>(resolve => this.#woken.push(resolve))
      }
      this.requireWell()
    } finally {
      timer.cancel()
    }
  }
}

function emptyBatch(): Batch {
  return { operations: [], bytes: 0, ordered: new Set() }
}

/** Whether the target may take it later: it is overloaded, parts of it are away, or an index is closed to writes for lack of room. */
function isPassing(operation: Operation, { status, error }: Result): boolean {
  if (status === 429 || status >= 500) return true
  if (status === 409) return operation.kind === 'update'
  return status === 403 && typeof error === 'object' && error.type === 'cluster_block_exception'
}

function textOf({ status, error }: Result): string {
  if (error === undefined) return String(status)
  if (typeof error === 'string') return `${status} ${error}`.slice(0, 1_000)
  const cause = error.caused_by?.reason
  return `${status} ${error.type ?? ''}: ${error.reason ?? ''}${cause === undefined ? '' : ` (${cause})`}`.slice(0, 1_000)
}

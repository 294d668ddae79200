/** Does a job: reads, filters and decodes records, and says what it finds as it goes. */
import type { Clock } from '../../base.ts'
import type { ReceivedRecord } from '../../client.ts'
import type { Serdes } from '../../serde.ts'
import { compileFilter, type Filter } from './filter.ts'
import type { Job, JobEvent, Range } from './job.ts'
import { Merge, type Read } from './merge.ts'
import { csvHead, Opened, toLine, toRow } from './rows.ts'
import type { ShownRecord } from './shape.ts'

export interface SearchContext {
  readonly clock: Clock
  readonly serdes: Serdes
  readonly read: Read
  /** Resolves when there is room for more. */
  readonly send: (event: JobEvent) => Promise<unknown>
  readonly signal: AbortSignal
}

/** Of one round of the live tail; what a person can follow by eye is far less. */
const mostAtOnce = 200
const mostTextCharacters = 262_144
/** Between two reports, if nothing is found. */
const reportMs = 250

/** Throws ExprError if a filter is none. */
export async function runJob(job: Job, context: SearchContext): Promise<void> {
  const filter = await compileFilter(job.filters, context.clock)
  const { form } = job
  if (form === 'key' || form === 'value') return sendBytes(job, form, context)
  if (job.ranges === null) return follow(job, filter, context)
  return search({ ...job, form }, filter, context)
}

async function search(
  job: Job & { form: 'rows' | 'ndjson' | 'csv' },
  filter: Filter,
  { clock, serdes, read, send, signal }: SearchContext,
): Promise<void> {
  const { form, limit, newestFirst, decoding, mostShown } = job
  const row = (opened: Opened): Promise<ShownRecord | string> | ShownRecord | string =>
    form === 'rows' ? toRow(opened, mostShown) : toLine(opened, form)
  const take = (record: ReceivedRecord) => {
    const opened = new Opened(record, serdes, decoding)
    const matches = filter.matches(opened)
    if (matches instanceof Promise) return matches.then(found => (found ? row(opened) : null))
    return matches ? row(opened) : null
  }
  const merge = new Merge<ShownRecord | string>({ read, ranges: job.ranges!, newestFirst, wanted: limit, take, signal })
  const began = clock.monotonic()
  let [found, told] = [0, began]
  const waiting = new Waiting(send)
  if (form === 'csv') waiting.add(csvHead)
  const tell = async () => {
    told = clock.monotonic()
    await waiting.flush()
    const { failed, problem } = filter
    const { scanned, bytes, left } = merge
    await send({ kind: 'progress', scanned, bytes, left: String(left), failed, problem, found, ms: Math.round(told - began) })
  }
  for await (const each of merge.run()) {
    if (each === null) {
      if (!waiting.isEmpty || clock.monotonic() - told > reportMs) await tell()
      continue
    }
    waiting.add(each)
    if (waiting.isFull) await waiting.flush()
    if (++found === limit) break
  }
  await tell()
  await send({ kind: 'end', next: found === limit ? merge.positions : null })
}

/** What is found and not sent yet. */
class Waiting {
  readonly #send: SearchContext['send']
  #records: ShownRecord[] = []
  #text: string[] = []
  #characters = 0

  constructor(send: SearchContext['send']) {
    this.#send = send
  }

  get isEmpty(): boolean {
    return this.#records.length === 0 && this.#text.length === 0
  }

  get isFull(): boolean {
    return this.#characters > mostTextCharacters
  }

  add(each: ShownRecord | string): void {
    if (typeof each === 'string') {
      this.#text.push(each)
      this.#characters += each.length
    } else this.#records.push(each)
  }

  async flush(): Promise<void> {
    const [records, text] = [this.#records, this.#text]
    this.#records = []
    this.#text = []
    this.#characters = 0
    if (records.length > 0) await this.#send({ kind: 'records', records })
    if (text.length > 0) await this.#send({ kind: 'text', text: text.join('') })
  }
}

const pieceBytes = 262_144

async function sendBytes({ ranges, mostShown }: Job, part: 'key' | 'value', { read, send, signal }: SearchContext): Promise<void> {
  const at = (end: keyof Range) => new Map(Array.from(ranges!, ([partition, range]) => [partition, range[end]]))
  for await (const records of read(at('low'), at('high')))
    for (const { [part]: bytes } of records) {
      const shown = (bytes ?? Buffer.alloc(0)).subarray(0, mostShown)
      for (let from = 0; from === 0 || from < shown.length; from += pieceBytes) {
        if (signal.aborted) return
        // A copy: the whole batch would be sent otherwise.
        await send({ kind: 'bytes', bytes: new Uint8Array(shown.subarray(from, from + pieceBytes)) })
      }
      return
    }
}

/** While the reader takes nothing, nothing is fetched. */
async function follow(job: Job, filter: Filter, { serdes, read, send, signal }: SearchContext): Promise<void> {
  await send({ kind: 'records', records: [] })
  for await (const records of read(job.from, null)) {
    const matching: Opened[] = []
    for (const record of records) {
      const opened = new Opened(record, serdes, job.decoding)
      if (await filter.matches(opened)) matching.push(opened)
    }
    matching.sort((a, b) => Number(a.record.timestampMs - b.record.timestampMs))
    const last = matching.slice(-mostAtOnce)
    if (matching.length > last.length) await send({ kind: 'skipped', records: matching.length - last.length })
    if (last.length > 0) await send({ kind: 'records', records: await Promise.all(last.map(each => toRow(each, job.mostShown))) })
    if (signal.aborted) return
  }
}

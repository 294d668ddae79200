/** Connectors for tests: a sink that writes lines to a file, and a source that counts. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import {
  boolean,
  DataError,
  defineSink,
  defineSource,
  int,
  list,
  type Offsets,
  password,
  RetriableError,
  type SinkRecord,
  sourceRecord,
  string,
  struct,
} from '../../src/connector.ts'

export const sink = defineSink({
  name: 'test-sink',
  classes: ['com.example.LinesSinkConnector'],
  version: '1.2.3',
  summary: 'Writes lines to a file.',
  example: { file: '/tmp/lines' },
  config: {
    file: string({ required: true, doc: 'Where the lines go.' }),
    refuse: list({ default: '', doc: 'Values that are refused.' }),
    'fail.while': string({ default: null, doc: 'The task fails while this file exists.' }),
    'hold.while': string({
      default: null,
      doc: 'The target holds the task while this file exists, writes into it, and then refuses the task.',
    }),
    'busy.while': string({ default: null, doc: 'The target asks for patience while this file exists.' }),
    'keeps.offsets': boolean({ default: false, doc: 'The task goes on behind the lines that are in the file.' }),
    'says.offsets': boolean({ default: false, doc: 'A flush says which offsets may be committed.' }),
    puts: string({ default: null, doc: 'Where values go as soon as they are put.' }),
    url: string({ default: null, doc: 'Where secrets would go.' }),
    secret: password({ doc: 'Never shown.' }),
    pin: password({ doc: 'Never shown either, although its name does not say so.' }),
    level: int({ default: 1, min: 1, max: 9, doc: 'From 1 to 9.' }),
  },
  async open(
    { file, refuse, 'fail.while': failing, 'hold.while': hold, 'busy.while': busy, 'keeps.offsets': keeps, 'says.offsets': says, puts },
    context,
  ) {
    const safe = new Map<string, Offsets[number]>()
    let taken: SinkRecord[] = []
    let isBroken = false
    return {
      async opened(partitions) {
        const lines = keeps ? linesOf(file) : []
        const next = new Map(lines.map(([topic, partition, offset]) => [`${topic} ${partition}`, BigInt(offset + 1)] as const))
        context.seek(
          partitions.flatMap(each => {
            const offset = next.get(`${each.topic} ${each.partition}`)
            return offset === undefined ? [] : [{ ...each, offset }]
          }),
        )
      },
      async put(records) {
        if (failing !== null && existsSync(failing)) throw new Error('the target is broken')
        if (hold !== null && existsSync(hold)) {
          appendFileSync(hold, 'held')
          while (existsSync(hold)) await new Promise<void>(resolve => void context.system.timers.after(20, resolve))
          isBroken = true
        }
        if (isBroken) throw new Error('the target has another writer')
        if (busy !== null && existsSync(busy)) throw new RetriableError('the target is busy', { retryAfterMs: 20 })
        for (const record of records) if (refuse.includes(String(record.value))) throw new DataError(`refused: ${record.value}`)
        taken.push(...records)
        for (const { topic, partition, offset } of records) safe.set(`${topic} ${partition}`, { topic, partition, offset: offset + 1n })
        if (puts !== null) appendFileSync(puts, records.map(record => `${record.value}\n`).join(''))
      },
      async flush() {
        const lines = taken.map(({ topic, partition, offset, value }) =>
          JSON.stringify([topic, partition, Number(offset), value, context.task]),
        )
        taken = []
        if (lines.length > 0) appendFileSync(file, `${lines.join('\n')}\n`)
        return says ? [...safe.values()] : undefined
      },
      async closed() {
        taken = []
        safe.clear()
      },
      async close() {},
    }
  },
})

export const source = defineSource({
  name: 'test-source',
  classes: [],
  version: '1.0.0',
  summary: 'Counts.',
  example: { topic: 'numbers' },
  config: {
    topic: string({ default: 'numbers', doc: 'Where the numbers go.' }),
    count: int({ default: 10, doc: 'How many numbers each part has.' }),
    parts: list({ default: 'a', doc: 'What is counted.' }),
    crash: string({ default: null, doc: 'The task fails once after its first poll, and makes this file.' }),
  },
  tasks: async ({ parts }, most) =>
    Array.from({ length: Math.min(most, parts.length) }, (_, task) => ({ parts: parts.filter((__, at) => at % most === task).join(',') })),
  exactlyOnce: () => true,
  async open({ topic, count, parts, crash }, context) {
    const stored = await context.storedOffsets(parts.map(part => struct([['part', part]])))
    const next = new Map(parts.map((part, at) => [part, Number(stored[at]?.['next'] ?? 0)]))
    let polls = 0
    return {
      async poll() {
        if (crash !== null && polls++ === 1 && !existsSync(crash)) {
          appendFileSync(crash, 'x')
          throw new Error('the source has crashed')
        }
        const part = parts.find(each => next.get(each)! < count)
        if (part === undefined) {
          await new Promise<void>(resolve => void context.system.timers.after(50, resolve))
          return []
        }
        const from = next.get(part)!
        const to = Math.min(count, from + 5)
        next.set(part, to)
        return Array.from({ length: to - from }, (_, at) =>
          sourceRecord({
            ...{ topic, key: part, value: `${part}${from + at}` },
            ...{ sourcePartition: struct([['part', part]]), sourceOffset: struct([['next', from + at + 1]]) },
          }),
        )
      },
      async close() {},
    }
  },
})

/** Of each five numbers three are written, in one transaction; the last two are in one that is given up. */
export const blocks = defineSource({
  name: 'test-blocks',
  classes: [],
  version: '1.0.0',
  summary: 'Counts in transactions.',
  example: { topic: 'blocks' },
  config: { topic: string({ default: 'blocks', doc: 'Where the numbers go.' }) },
  exactlyOnce: () => true,
  transactionBoundaries: () => true,
  async open({ topic }, { storedOffsets, transaction, system }) {
    const sourcePartition = struct([['of', 'blocks']])
    const [stored] = await storedOffsets([sourcePartition])
    let next = Number(stored?.['next'] ?? 0)
    return {
      async poll() {
        if (next >= 20) await new Promise<void>(resolve => void system.timers.after(50, resolve))
        const records = Array.from({ length: next >= 20 ? 0 : 5 }, () =>
          sourceRecord({
            ...{ topic, partition: 0, value: String(next) },
            ...{ sourcePartition, sourceOffset: struct([['next', ++next]]) },
          }),
        )
        if (records.length > 0) {
          transaction?.commit(records[2])
          transaction?.abort()
        }
        return records
      },
      async close() {},
    }
  },
})

/** Six numbers for two partitions in turn; once they are in Kafka, writes to a file where each is. */
export const placed = defineSource({
  name: 'test-placed',
  classes: [],
  version: '1.0.0',
  summary: 'Knows where its records are.',
  example: { topic: 'placed', file: '/tmp/places' },
  config: {
    topic: string({ default: 'placed', doc: 'Where the numbers go.' }),
    file: string({ default: '', doc: 'Where the places go.' }),
  },
  async open({ topic, file }, { system }) {
    const place = { sourcePartition: struct([['of', 'placed']]), sourceOffset: struct([['next', 6]]) }
    let isDone = false
    return {
      async poll() {
        if (isDone) await new Promise<void>(resolve => void system.timers.after(50, resolve))
        const records = Array.from({ length: isDone ? 0 : 6 }, (_, at) =>
          sourceRecord({ topic, partition: 1 - (at % 2), value: String(at), ...place }),
        )
        isDone = true
        return records
      },
      async committed(records, places) {
        const lines = records.map(({ value }, at) => JSON.stringify([value, places[at]?.partition, Number(places[at]?.offset)]))
        appendFileSync(file, `${lines.join('\n')}\n`)
      },
      async close() {},
    }
  },
})

/** Begins with what comes next, and nothing comes; or, with `topic`, gives one record and then leaps further. */
export const later = defineSource({
  name: 'test-later',
  classes: [],
  version: '1.0.0',
  summary: 'Waits.',
  example: {},
  config: { topic: string({ default: null, doc: 'Where the record goes.' }) },
  exactlyOnce: () => true,
  async open({ topic }, { system, storedOffsets, storeOffsets }) {
    const sourcePartition = struct([['of', 'later']])
    const at = (starts: number) => ({ sourcePartition, sourceOffset: struct([['starts', starts]]) })
    const [stored] = await storedOffsets([sourcePartition])
    const starts = Number(stored?.['starts'] ?? 0) + 1
    await storeOffsets([at(starts)])
    let polls = 0
    return {
      async poll() {
        polls++
        if (topic !== null && polls === 1)
          return [
            { topic, partition: 0, keySchema: null, key: null, valueSchema: null, value: 'x', timestampMs: null, headers: [], ...at(50) },
          ]
        if (topic !== null && polls === 2) await storeOffsets([at(100)])
        await new Promise<void>(resolve => void system.timers.after(50, resolve))
        return []
      },
      async close() {},
    }
  },
})

export function linesOf(file: string): [topic: string, partition: number, offset: number, value: string, task: number][] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
}

/** The records of a table's topic against the history that the table keeps of itself: nothing lost, nothing twice, the order of each key. */
import type { ReceivedRecord } from '../../src/client.ts'
import type { Row } from './tables.ts'

export interface Envelope {
  readonly op: string
  readonly before: Row | null
  readonly after: Row | null
  readonly source: { readonly txId?: number | null; readonly snapshot: string; readonly lsn: number | null }
}

export interface HistoryRow {
  /** null: the database does not tell it to triggers. */
  readonly tx: number | null
  readonly op: 'INSERT' | 'UPDATE' | 'DELETE'
  readonly old: Row | null
  readonly new: Row | null
}

/** An event of one key: `12|u|34` is an update by transaction 12 to version 34; `T` is a tombstone. */
type Event = string

const eventOf = (tx: number | null, op: string, row: Row | null): Event => `${tx ?? ''}|${op}|${op === 'd' ? '' : row?.['version']}`

function add(events: Map<string, Event[]>, key: string, ...more: Event[]): void {
  events.set(key, [...(events.get(key) ?? []), ...more])
}

/** By key, in the order of the history: rows are locked while it is written. */
function expectedEvents(history: readonly HistoryRow[], key: readonly string[]): Map<string, Event[]> {
  const events = new Map<string, Event[]>()
  const keyOf = (row: Row) => key.map(name => row[name]).join()
  for (const { tx, op, old, new: made } of history) {
    if (op === 'INSERT') add(events, keyOf(made!), eventOf(tx, 'c', made))
    else if (op === 'DELETE') add(events, keyOf(old!), eventOf(tx, 'd', old), 'T')
    else if (keyOf(old!) === keyOf(made!)) add(events, keyOf(made!), eventOf(tx, 'u', made))
    else {
      add(events, keyOf(old!), eventOf(tx, 'd', old), 'T')
      add(events, keyOf(made!), eventOf(tx, 'c', made))
    }
  }
  return events
}

export interface Findings {
  readonly keys: number
  readonly events: number
  readonly reads: number
  readonly readTwice: number
  /** What is wrong, the first few. */
  readonly wrong: readonly string[]
}

const fewWrong = 5

/** `records`: in the order of each partition. */
export function judge(records: readonly ReceivedRecord[], history: readonly HistoryRow[], key: readonly string[]): Findings {
  const expected = expectedEvents(history, key)
  const seen = new Map<string, { event: Event; isRead: boolean }[]>()
  for (const record of records) {
    const parsed = JSON.parse(record.key!.toString()) as Row
    const name = key.map(field => parsed[field]).join()
    const envelope = record.value === null ? null : (JSON.parse(record.value.toString()) as Envelope)
    const event =
      envelope === null
        ? 'T'
        : envelope.op === 'r'
          ? String(envelope.after!['version'])
          : eventOf(envelope.source.txId ?? null, envelope.op, envelope.after)
    seen.set(name, [...(seen.get(name) ?? []), { event, isRead: envelope?.op === 'r' }])
  }
  const wrong: string[] = []
  let [events, reads, readTwice] = [0, 0, 0]
  for (const name of new Set([...expected.keys(), ...seen.keys()])) {
    const all = seen.get(name) ?? []
    const changes = all.filter(each => !each.isRead)
    const read = all.length - changes.length
    events += changes.length
    reads += read
    if (read > 1) readTwice++
    const problem = problemOf(
      expected.get(name) ?? [],
      all,
      changes.map(each => each.event),
    )
    if (problem !== null) wrong.push(`${name}: ${problem}`)
  }
  return { keys: expected.size, events, reads, readTwice, wrong: wrong.slice(0, fewWrong) }
}

/** The changes of a key are the last ones of its history; a row that is read is as it was just then. */
function problemOf(
  expected: readonly Event[],
  all: readonly { event: Event; isRead: boolean }[],
  changes: readonly Event[],
): string | null {
  const from = expected.length - changes.length
  const isSuffix = from >= 0 && changes.every((event, at) => event === expected[from + at])
  if (!isSuffix) return `has ${changes.slice(-8).join(' ')}, not ${expected.slice(-8).join(' ')}`
  const versionAt = (count: number) => expected.slice(0, count).at(-1)?.split('|')[2]
  let done = from
  for (const { event, isRead } of all) {
    if (!isRead) done++
    else if (versionAt(done) !== event) return `a row was read as ${event} after ${expected.slice(Math.max(0, done - 3), done).join(' ')}`
  }
  const wasThere = from > 0 && versionAt(from) !== undefined && versionAt(from) !== ''
  // Changed before it was read: its newest state is in the changes.
  return wasThere && changes.length === 0 && all.length === 0 ? `was not read: ${expected.slice(-3).join(' ')}` : null
}

/**
 * The verdicts on what clients were told (`events`, in order, words as src/*.java tell them) and what is in the log in the end. Pure, so
 * that each is tested against histories in which something was lost, duplicated or taken back (test/compat/endurance.test.ts).
 */
import { expectThat, type LogRecord } from './workload.ts'

export type Events = readonly (readonly string[])[]

const partitionOf = (value: string) => Number(value)

/** Whoever was told something that must never happen said so, and everybody came to the end. */
export function nothingBroken(events: Events): void {
  const broken = events.filter(([kind]) => kind === 'broken')
  expectThat(
    broken.length === 0,
    `${broken.length} times something that must not happen, first: ${broken[0]?.slice(1).join(' ').replaceAll('_', ' ')}`,
  )
  expectThat(events.at(-1)?.[0] === 'done', 'the clients did not come to their end')
}

/**
 * An idempotent producer's records: what was acknowledged is there once, at the offset that was told; nothing else is there; each
 * producer's records are in order in each partition. Returns how many.
 */
export function writtenOnce(events: Events, log: readonly LogRecord[]): number {
  const byPlace = new Map(log.map(({ partition, offset, value }) => [`${partition} ${offset}`, value]))
  expectThat(byPlace.size === log.length, 'an offset was read twice')
  const acknowledged = new Set<string>()
  for (const [kind, partition, offset, value] of events) {
    if (kind !== 'acked') continue
    const there = byPlace.get(`${partition} ${offset}`)
    expectThat(there === value, `lost: ${value} was acknowledged at ${partition}:${offset}, where there is ${there}`)
    expectThat(!acknowledged.has(value!), `${value} was acknowledged twice`)
    acknowledged.add(value!)
  }
  const last = new Map<string, number>()
  const seen = new Set<string>()
  for (const { partition, offset, value } of log) {
    expectThat(!seen.has(value), `duplicated: ${value} is there again at ${partition}:${offset}`)
    expectThat(acknowledged.has(value), `${value} at ${partition}:${offset} was never acknowledged`)
    seen.add(value)
    const [name, number] = value.split('-')
    const before = last.get(`${name} ${partition}`) ?? -1
    expectThat(Number(number) > before, `reordered: ${value} at ${partition}:${offset} is behind ${name}-${before}`)
    last.set(`${name} ${partition}`, Number(number))
  }
  return acknowledged.size
}

/**
 * Each record was seen; a commit that was acknowledged is never taken back, neither for those who ask nor for the member that reads on
 * from it. Returns how many were seen again, which a crash between reading and committing allows.
 */
export function readAndCommitted(events: Events, log: readonly LogRecord[]): number {
  const committed = new Map<number, number>()
  const observed = new Map<number, number>()
  const seen = new Map<string, string>()
  let again = 0
  let before = new Map<number, number>()
  for (const [kind, word, offset, value] of events) {
    const partition = partitionOf(word!)
    const at = Number(offset)
    if (kind === 'committed') committed.set(partition, Math.max(committed.get(partition) ?? 0, at))
    else if (kind === 'observing') before = new Map(committed)
    else if (kind === 'observed') {
      const least = Math.max(before.get(partition) ?? 0, observed.get(partition) ?? 0)
      expectThat(at >= least, `the committed offset of ${partition} went back from ${least} to ${at}`)
      observed.set(partition, at)
    } else if (kind === 'seen') {
      expectThat(at >= (committed.get(partition) ?? 0), `${partition}:${at} was read again after ${committed.get(partition)} was committed`)
      if (seen.has(`${word} ${offset}`)) again++
      seen.set(`${word} ${offset}`, value!)
    }
  }
  for (const { partition, offset, value } of log) {
    const got = seen.get(`${partition} ${offset}`)
    expectThat(got === value, `${value} at ${partition}:${offset} was never read (${got} was)`)
  }
  for (const [partition, offset] of committed)
    expectThat(
      (observed.get(partition) ?? -1) >= offset,
      `in the end ${observed.get(partition)} is committed of ${partition}, not ${offset}`,
    )
  return again
}

/** Exactly one record of output for each of the input, partition by partition in its order. */
export function exactlyOnce(input: readonly LogRecord[], output: readonly LogRecord[]): void {
  const counts = new Map<string, number>()
  for (const { value } of output) counts.set(value, (counts.get(value) ?? 0) + 1)
  for (const { value, partition, offset } of input) {
    const count = counts.get(value) ?? 0
    expectThat(count > 0, `lost: nothing came of ${value} at ${partition}:${offset}`)
    expectThat(count === 1, `duplicated: ${value} at ${partition}:${offset} came out ${count} times`)
  }
  expectThat(output.length === input.length, `${output.length - input.length} records of output have no input`)
  const ordered = (log: readonly LogRecord[]) => Map.groupBy(log, each => each.partition)
  const wanted = ordered(input)
  for (const [partition, records] of ordered(output))
    for (const [index, { value }] of records.entries())
      expectThat(value === wanted.get(partition)?.[index]?.value, `reordered: ${value} came out of ${partition} as number ${index}`)
}

/**
 * A count of words that tells each of its updates as `word=count`: for each word of the input 1, 2, 3 … in the order of the log up to how
 * often it was there. Returns how many updates.
 */
export function countedUp(words: readonly string[], output: readonly LogRecord[]): number {
  const wanted = new Map<string, number>()
  for (const word of words) wanted.set(word, (wanted.get(word) ?? 0) + 1)
  const counts = new Map<string, number>()
  for (const { value, partition, offset } of output) {
    const [word, count] = value.split('=')
    const before = counts.get(word!) ?? 0
    expectThat(Number(count) === before + 1, `${value} at ${partition}:${offset} came after ${word}=${before}`)
    counts.set(word!, before + 1)
  }
  for (const [word, count] of wanted)
    expectThat(counts.get(word) === count, `${word} was there ${count} times and is counted ${counts.get(word)} times`)
  expectThat(counts.size === wanted.size, `${counts.size - wanted.size} words were counted that were never there`)
  return output.length
}

export interface Worked {
  confirmed: number
  redelivered: number
  /** The highest delivery count that was seen. */
  deliveries: number
}

/**
 * A share group: each record was accepted or rejected in the end, and one of which that was confirmed was never delivered again.
 * (What a broker says that it has taken is in `__share_group_state`; what it could not say any more may be there or not.)
 */
export function workedOff(events: Events, log: readonly LogRecord[]): Worked {
  const final = new Map<string, string>()
  const last = new Map<string, string>()
  const values = new Map<string, string>()
  const worked: Worked = { confirmed: 0, redelivered: 0, deliveries: 0 }
  for (const [kind, partition, offset, what, count] of events) {
    const place = `${partition} ${offset}`
    if (kind === 'delivered') {
      expectThat(!final.has(place), `${what} at ${partition}:${offset} was delivered after ${final.get(place)} was confirmed`)
      if (values.has(place)) worked.redelivered++
      values.set(place, what!)
      last.set(place, 'nothing')
      worked.deliveries = Math.max(worked.deliveries, Number(count))
    } else if (kind === 'asked') last.set(place, what!)
    else if (kind === 'confirmed') {
      worked.confirmed++
      if (what !== 'RELEASE') final.set(place, what!)
    }
  }
  for (const { partition, offset, value } of log) {
    const place = `${partition} ${offset}`
    expectThat(values.get(place) === value, `lost: ${value} at ${partition}:${offset} was never delivered (${values.get(place)} was)`)
    const end = last.get(place)
    expectThat(end === 'ACCEPT' || end === 'REJECT', `lost: the last that was done with ${value} at ${partition}:${offset} was ${end}`)
  }
  return worked
}

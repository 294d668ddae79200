/** One record among a million, found by a filter of the console. */
import { costOf } from '../measure.ts'
import { free, least, type Measured, megabyte, type RowOf, shown } from '../row.ts'
import { Stand } from './stand.ts'

const million = 1_000_000
const partitions = 4
/** Sent at once: less than 1 MB for each partition. */
const batch = 4_000
const topic = 'million'

const filters = (id: number) => ({
  text: `contains=${encodeURIComponent(`"id":${id},`)}`,
  cel: `cel=${encodeURIComponent(`value.id == ${id}`)}`,
})

export const searchRow: RowOf<Stand> = {
  name: 'console-search',
  settings: `${million.toLocaleString('en-US')} records of 950 bytes, plain JSON, in ${partitions} partitions; all are read, and one is found`,
  alone: 'Apache Kafka has no console',
  goals: [
    least('textMegabytesPerSecond', 'search by substring', 100),
    free('textSeconds', 'all records, by substring', 30, 's'),
    shown('textMegabytesPerCore', 'search by substring, in a second of processor time', 'MB', 'nothing'),
    shown('celMegabytesPerSecond', 'search by CEL', 'MB/s', 'nothing'),
    shown('celMegabytesPerCore', 'search by CEL, in a second of processor time', 'MB', 'nothing'),
    shown('celSeconds', 'all records, by CEL', 's', 'nothing'),
  ],
  warmSteps: 1,
  start: wanted => Stand.start(wanted, ['console']),
  async warm({ broker: { client }, scale }) {
    const records = million * scale
    const pad = 'x'.repeat(900)
    await client.createTopic({ name: topic, partitions })
    for (let n = 0; n < records; n += batch)
      await client.send(
        topic,
        Array.from({ length: batch }, (_, more) => ({
          key: null,
          partition: more % partitions,
          value: Buffer.from(`{"id":${n + more},"name":"name ${more}","pad":"${pad}"}`),
        })),
      )
    return records
  },
  async measure({ broker: { urls, pid }, scale }) {
    const records = million * scale
    const measured: Measured = {}
    for (const [name, query] of Object.entries(filters(records * 0.77))) {
      const { result, cost } = await costOf(pid, async () => {
        const began = performance.now()
        const answer = await fetch(`${urls.console}/api/topics/${topic}/messages?from=oldest&limit=10&${query}`)
        return { text: await answer.text(), ms: performance.now() - began }
      })
      const { text, ms } = result
      const last = text.split('\n\n').findLast(event => event.includes('"progress"'))
      if (last === undefined) throw new Error(text.slice(0, 500))
      const { scanned, bytes, found } = JSON.parse(last.slice('data: '.length)) as { scanned: number; bytes: number; found: number }
      if (found !== 1 || scanned !== records) throw new Error(last)
      measured[`${name}Seconds`] = ms / 1_000
      measured[`${name}MegabytesPerSecond`] = bytes / ms / 1_000
      measured[`${name}MegabytesPerCore`] = bytes / megabyte / cost.cpuSeconds
    }
    return measured
  },
}

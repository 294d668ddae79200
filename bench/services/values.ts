/** Values of 100 MB in the console: shown cut, and saved whole. */
import { readFileSync } from 'node:fs'
import { free, type RowOf } from '../row.ts'
import { Stand } from './stand.ts'

const bytes = 100_000_000
const mostBytes = '104857600'

/** In megabytes. */
function peakMemory(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_000
}

export const valuesRow: RowOf<Stand> = {
  name: 'console-values',
  settings: 'a record whose value has 100 MB, with new services in each round',
  alone: 'Apache Kafka has no console',
  goals: [
    free('rowMs', 'the row that shows it', 3_000, 'ms'),
    free('rowMegabytes', 'memory that this took', 350, 'MB'),
    free('savedMs', 'all of it saved', 10_000, 'ms'),
    free('savedMegabytes', 'memory that both took', 450, 'MB'),
  ],
  cold: 'it measures how much memory was ever used',
  start: wanted => Stand.start(wanted, ['console'], { 'message.max.bytes': mostBytes }),
  async measure({ broker: { client, urls, pid }, scale }) {
    const wanted = bytes * scale
    await client.createTopic({ name: 'large', partitions: 1, configs: new Map([['max.message.bytes', mostBytes]]) })
    const value = Buffer.alloc(wanted, 'a value of a hundred megabytes ')
    await client.send('large', [{ key: null, value }])
    const topic = `${urls.console}/api/topics/large`
    await (await fetch(topic)).arrayBuffer()
    const before = peakMemory(pid)
    const beganMs = performance.now()
    const rows = await (await fetch(`${topic}/messages?limit=10`)).text()
    const rowMs = performance.now() - beganMs
    if (!rows.includes(`"bytes":${wanted},"cut":true`)) throw new Error(rows.slice(0, 500))
    const rowMegabytes = peakMemory(pid) - before
    const savedFromMs = performance.now()
    const saved = await (await fetch(`${topic}/messages/0/0/value`)).arrayBuffer()
    const savedMs = performance.now() - savedFromMs
    if (!Buffer.from(saved).equals(value)) throw new Error('it is not what was produced')
    return { rowMs, rowMegabytes, savedMs, savedMegabytes: peakMemory(pid) - before }
  },
}

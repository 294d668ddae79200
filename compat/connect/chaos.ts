/**
 * Three of our workers, killed with kill -9 and stopped for longer than their session (SIGSTOP) while sources and sinks run:
 * `node compat/connect/chaos.ts HOST:PORT`. Every line of every file is in its topic once and in order, as readers of committed records see it, and in its sink.
 * `COMPAT_CHAOS_SECONDS` is how long (300), `COMPAT_CHAOS_SEED` what happens (random).
 */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openClient } from '../../src/client.ts'
import { type Cases, runCases, unique, until } from '../support/kit.ts'
import { distributed, fileSink, fileSource, type Status, Worker } from './worker.ts'

const [bootstrap] = process.argv.slice(2) as [string]
const seconds = Number(process.env['COMPAT_CHAOS_SECONDS'] ?? 300)
let seed = Number(process.env['COMPAT_CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const directory = mkdtempSync(join(tmpdir(), 'millrace-chaos-'))
const keeps = process.env['COMPAT_CHAOS_KEEP'] !== undefined
process.on('exit', () => {
  if (!keeps) rmSync(directory, { recursive: true, force: true })
})

/** mulberry32 */
function chance(below: number): number {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) % below
}

const sources = 6
const everyMs = 250
const linesEach = 20
const cluster = unique('chaos')
const topicOf = (index: number) => `${cluster}-${index}`
const fileOf = (kind: 'in' | 'out', index: number) => join(directory, `${kind}-${index}`)
const linesIn = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [])

let written = 0
function write(): void {
  for (let index = 0; index < sources; index++)
    appendFileSync(fileOf('in', index), Array.from({ length: linesEach }, (_, at) => `${index} ${written + at}\n`).join(''))
  written += linesEach
}

async function committed(client: ReturnType<typeof openClient>, topic: string): Promise<string[]> {
  const [end] = (await client.offsets(topic, [0], 'stable')).values()
  const found: string[] = []
  if (end === 0n) return found
  const reading = { topic, from: new Map([[0, 0n]]), until: new Map([[0, end!]]), committedOnly: true }
  for await (const records of client.read(reading)) for (const { value } of records) found.push(value!.toString())
  return found
}

const statuses = async (workers: readonly Worker[]): Promise<Status[]> => {
  for (const worker of workers) {
    const found = await worker.statuses().catch(() => null)
    if (found !== null) return found
  }
  return []
}

const cases: Cases = {
  async 'three-workers-killed-and-stopped'() {
    console.log(`seed ${seed}, ${seconds} s, ${directory}`)
    const config = distributed(cluster, { 'bootstrap.servers': bootstrap, 'restart.backoff.max.ms': '4000' })
    const workers = await Promise.all(['one', 'two', 'three'].map(name => Worker.startMillrace(directory, name, config)))
    const client = openClient({ bootstrap })
    write()
    for (let index = 0; index < sources; index++) {
      const { name, ...source } = fileSource(`source-${index}`, fileOf('in', index), topicOf(index), { 'exactly.once.support': 'required' })
      await workers[0]!.rest('PUT', `/connectors/${name}/config`, source)
      const readsCommitted = { 'consumer.override.isolation.level': 'read_committed' }
      const { name: sinkName, ...sink } = fileSink(`sink-${index}`, fileOf('out', index), topicOf(index), readsCommitted)
      await workers[0]!.rest('PUT', `/connectors/${sinkName}/config`, sink)
    }
    const writing = setInterval(write, everyMs)
    const end = performance.now() + seconds * 1_000
    const done = { kills: 0, stops: 0 }
    while (performance.now() < end) {
      await sleep(2_000 + chance(6_000))
      const worker = workers[chance(3)]!
      if (chance(2) === 0) {
        done.kills++
        await worker.stop('SIGKILL')
        await sleep(chance(9_000))
        await worker.restart()
      } else {
        done.stops++
        worker.signal('SIGSTOP')
        await sleep(2_000 + chance(10_000))
        worker.signal('SIGCONT')
      }
    }
    clearInterval(writing)
    await verdict(client, workers, done)
    await client.close()
    await Promise.all(workers.map(worker => worker.stop()))
  },
}

async function verdict(
  client: ReturnType<typeof openClient>,
  workers: readonly Worker[],
  done: { kills: number; stops: number },
): Promise<void> {
  const missing = () =>
    Array.from({ length: sources }, (_, index) => written - new Set(linesIn(fileOf('out', index))).size).filter(each => each > 0)
  await until(
    () => `every line is in its sink, ${missing().join(', ')} are missing`,
    () => missing().length === 0,
    90,
  )
  let repeated = 0
  for (let index = 0; index < sources; index++) {
    const wanted = linesIn(fileOf('in', index))
    const got = await committed(client, topicOf(index))
    const different = got.findIndex((line, at) => line !== wanted[at])
    assert.equal(different, -1, `${topicOf(index)} has ${got[different]} where ${wanted[different]} was read`)
    assert.equal(got.length, wanted.length, `${topicOf(index)} has ${got.length} records of ${wanted.length} lines`)
    repeated += linesIn(fileOf('out', index)).length - wanted.length
  }
  await until(
    () => 'all connectors and tasks run',
    async () => {
      const found = await statuses(workers)
      return (
        found.length === 2 * sources &&
        found.every(({ connector, tasks }) => connector.state === 'RUNNING' && tasks[0]?.state === 'RUNNING')
      )
    },
    60,
  )
  console.log(
    `${done.kills} kills, ${done.stops} stops, ${sources * written} lines each once in topics, all in sinks, ${repeated} there again`,
  )
}

await runCases(cases, seconds + 400)

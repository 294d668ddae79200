/** Kafka Connect's worker and ours: one goes on with the topics of the other, and both form one group. `node compat/connect/take-over.ts HOST:PORT CLASSPATH`. */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Cases, runCases, unique, until } from '../support/kit.ts'
import { statesAreKept } from './states.ts'
import { distributed, fileSink, fileSource, type Status, Worker } from './worker.ts'

const [bootstrap, classPath] = process.argv.slice(2) as [string, string]
const directory = mkdtempSync(join(tmpdir(), 'millrace-take-over-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const cluster = unique('take-over')
const config = distributed(cluster, { 'bootstrap.servers': bootstrap })
const statesConfig = distributed(`${cluster}-states`, { 'bootstrap.servers': bootstrap })
const at = (name: string) => join(directory, name)
const linesOf = (name: string) => (existsSync(at(name)) ? readFileSync(at(name), 'utf8').split('\n').slice(0, -1) : [])
let lines = 0
const write = (count: number) => appendFileSync(at('in'), Array.from({ length: count }, () => `line ${lines++}\n`).join(''))

const arrived = (seconds = 60) =>
  until(
    () => `${lines} lines in the sink, there are ${linesOf('out').length}`,
    () => linesOf('out').length >= lines,
    seconds,
  )
const runs = (worker: Worker) =>
  until(
    () => 'both connectors run',
    () => worker.running('source', 'sink'),
    60,
  )

let java: Worker
let ours: Worker

const cases: Cases = {
  async 'java-begins'() {
    java = await Worker.start(classPath, directory, 'java', config)
    write(500)
    for (const { name, ...settings } of [
      fileSource('source', at('in'), `${cluster}-lines`, { 'exactly.once.support': 'required' }),
      fileSink('sink', at('out'), `${cluster}-lines`, { 'consumer.override.isolation.level': 'read_committed' }),
    ])
      await java.rest('PUT', `/connectors/${name}/config`, settings)
    await runs(java)
    await arrived()
    await java.stop()
  },
  async 'millrace-takes-over'() {
    write(500)
    ours = await Worker.startMillrace(directory, 'ours', config)
    await runs(ours)
    await arrived()
    assert.deepEqual(linesOf('out'), linesOf('in'), 'nothing is lost or twice')
    const { offsets } = await ours.rest<{ offsets: { offset: { position: number } }[] }>('GET', '/connectors/source/offsets')
    assert.equal(offsets.length, 1, 'the offset of Java has been replaced')
  },
  async 'both-share-one-group'() {
    java = await Worker.start(classPath, directory, 'java', config)
    const owners = async () => {
      const statuses = await ours.rest<Record<string, { status: Status }>>('GET', '/connectors?expand=status')
      return new Set(Object.values(statuses).flatMap(({ status }) => status.tasks.map(task => task.worker_id)))
    }
    await until(
      () => 'both workers have tasks',
      async () => (await owners()).size === 2 && (await ours.running('source', 'sink')),
      60,
    )
    write(200)
    await arrived()
    // Each forwards what the other has to do.
    for (const worker of [java, ours])
      for (const name of ['source', 'sink']) await worker.rest('POST', `/connectors/${name}/tasks/0/restart`)
    await runs(java)
    await ours.stop()
    await runs(java)
    write(200)
    await arrived()
    assert.deepEqual(new Set(linesOf('out')), new Set(linesOf('in')), 'nothing is lost')
  },
  async 'java-goes-on'() {
    await java.rest('PUT', '/connectors/source/pause')
    await java.rest('PUT', '/connectors/source/resume')
    write(100)
    await arrived()
    await java.stop()
  },
}

const states = statesAreKept({
  cluster: `${cluster}-states`,
  file: at,
  linesOf,
  startJava: () => Worker.start(classPath, directory, 'java-states', statesConfig),
  startOurs: () => Worker.startMillrace(directory, 'ours-states', statesConfig),
})

await runCases({ ...cases, ...states }, 120)

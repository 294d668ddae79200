/** Kafka Connect: `node compat/connect/cases.ts HOST:PORT CLASSPATH`. Files are compared line by line, topics as read_committed sees them. */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import kafkajs from 'kafkajs'
import { type Cases, runCases, unique, until } from '../support/kit.ts'
import { distributed, fileSink, fileSource, type Status, Worker } from './worker.ts'

const [bootstrap, classPath] = process.argv.slice(2) as [string, string]
const directory = mkdtempSync(join(tmpdir(), 'millrace-connect-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
const kafka = new kafkajs.Kafka({ brokers: bootstrap.split(','), logLevel: kafkajs.logLevel.NOTHING })

const linesOf = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [])
let lines = 0
/** No two lines are the same; some are long. ASCII, because the connector counts characters where it skips bytes. */
const write = (file: string, count: number) =>
  appendFileSync(file, Array.from({ length: count }, () => `line ${lines++} ${['', 'short', 'x'.repeat(3000)][lines % 3]}\n`).join(''))

function equalLines(got: readonly string[], wanted: readonly string[]): void {
  const different = wanted.findIndex((line, index) => got[index] !== line)
  const at = `at ${different}: ${got[different]?.slice(0, 20)}, not ${wanted[different]?.slice(0, 20)}`
  assert.ok(different === -1 && got.length === wanted.length, `${got.length} lines, not ${wanted.length}; ${at}`)
}

/** Waits until as many lines are there as were written, and a moment longer, for what is too much. */
async function arrives(source: string, sink: string): Promise<void> {
  const wanted = linesOf(source)
  await until(
    () => `${wanted.length} lines in ${sink}, there are ${linesOf(sink).length}`,
    () => linesOf(sink).length >= wanted.length,
    60,
  )
  await new Promise(resolve => setTimeout(resolve, 300))
  equalLines(linesOf(sink), wanted)
}

async function readTopic(topic: string, count: number): Promise<string[]> {
  const consumer = kafka.consumer({ groupId: unique('connect-reader') })
  const values: string[] = []
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({ eachMessage: async ({ message }) => void values.push(message.value!.toString()) })
    await until(
      () => `${count} records in ${topic}, there are ${values.length}`,
      () => values.length >= count,
      60,
    )
    await new Promise(resolve => setTimeout(resolve, 300))
    return values
  } finally {
    await consumer.disconnect()
  }
}

/** One cluster for all that is distributed; `second` comes and goes. */
const cluster = unique('connect')
const config = distributed(cluster, { 'bootstrap.servers': bootstrap })
const at = (name: string) => join(directory, name)
const required = { 'exactly.once.support': 'required', 'transaction.boundary': 'poll' }
let first: Worker

const create = async ({ name, ...config }: Readonly<Record<string, string>>) => {
  await first.rest('PUT', `/connectors/${name}/config`, config)
  await until(
    () => `${name} runs`,
    () => first.running(name!),
    60,
  )
}

const standalone: Cases = {
  async 'standalone-file-to-file'() {
    const [topic, source, sink] = [unique('lines'), at('s-in'), at('s-out')]
    const properties = { 'bootstrap.servers': bootstrap, 'offset.storage.file.filename': at('s-offsets') }
    const connectors = [fileSource('source', source, topic), fileSink('sink', sink, topic)]
    write(source, 600)
    const worker = await Worker.start(classPath, directory, 'standalone', properties, connectors)
    try {
      await arrives(source, sink)
      await worker.stop()
      write(source, 300)
      await worker.restart()
      await arrives(source, sink)
      equalLines(await readTopic(topic, 900), linesOf(source))
    } finally {
      await worker.stop()
    }
  },
}

const together: Cases = {
  async 'distributed-internal-topics'() {
    first = await Worker.start(classPath, directory, 'first', config)
    const admin = kafka.admin()
    await admin.connect()
    try {
      const topics = ['configs', 'offsets', 'status'].map(name => `${cluster}-${name}`)
      const { topics: found } = await admin.fetchTopicMetadata({ topics })
      assert.deepEqual(
        topics.map(name => found.find(each => each.name === name)?.partitions.length),
        [1, 25, 5],
      )
      const resources = topics.map(name => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: ['cleanup.policy'] }))
      const described = await admin.describeConfigs({ resources, includeSynonyms: false })
      for (const each of described.resources) assert.equal(each.configEntries[0]!.configValue, 'compact')
    } finally {
      await admin.disconnect()
    }
  },
  async 'exactly-once-file-to-file'() {
    write(at('d-in'), 500)
    await create(fileSource('d-source', at('d-in'), `${cluster}-d`, required))
    await create(fileSink('d-sink', at('d-out'), `${cluster}-d`, { 'consumer.override.isolation.level': 'read_committed' }))
    await arrives(at('d-in'), at('d-out'))
    write(at('d-in'), 500)
    await arrives(at('d-in'), at('d-out'))
    equalLines(await readTopic(`${cluster}-d`, 1000), linesOf(at('d-in')))
  },
  async 'offsets-by-rest'() {
    const size = readFileSync(at('d-in')).length
    await until(
      () => 'both connectors have committed everything',
      async () => {
        const source = await first.rest<{ offsets: { offset: { position: number } }[] }>('GET', '/connectors/d-source/offsets')
        const sink = await first.rest<{ offsets: { offset: { kafka_offset: number } }[] }>('GET', '/connectors/d-sink/offsets')
        return source.offsets[0]?.offset.position === size && (sink.offsets[0]?.offset.kafka_offset ?? 0) >= 1000
      },
    )
  },
  async 'second-worker-joins-and-leaves'() {
    const names = ['a', 'b', 'c']
    for (const name of names) {
      write(at(`${name}-in`), 200)
      await create(fileSource(`${name}-source`, at(`${name}-in`), `${cluster}-${name}`, required))
    }
    const workers = async () => new Set((await first.statuses()).flatMap(each => each.tasks.map(task => task.worker_id)))
    const all = ['d-source', 'd-sink', ...names.map(name => `${name}-source`)]
    const second = await Worker.start(classPath, directory, 'second', config)
    try {
      await until(
        () => 'both workers have tasks',
        async () => (await workers()).size === 2 && (await first.running(...all)),
        60,
      )
      for (const name of names) write(at(`${name}-in`), 200)
      await new Promise(resolve => setTimeout(resolve, 1500))
    } finally {
      await second.stop()
    }
    await until(
      () => 'the first has all tasks again',
      async () => (await workers()).size === 1 && (await first.running(...all)),
      60,
    )
    for (const name of names) write(at(`${name}-in`), 200)
    for (const name of names) equalLines(await readTopic(`${cluster}-${name}`, 600), linesOf(at(`${name}-in`)))
  },
  async 'killed-worker-resumes'() {
    write(at('d-in'), 3000)
    await new Promise(resolve => setTimeout(resolve, 700))
    await first.stop('SIGKILL')
    write(at('d-in'), 300)
    await first.restart()
    equalLines(await readTopic(`${cluster}-d`, 4300), linesOf(at('d-in')))
    // A sink may write again what it had not committed when it was killed.
    await until(
      () => 'all lines are in the sink',
      () => new Set(linesOf(at('d-out'))).size === 4300,
      60,
    )
    await until(
      () => 'the connectors run again',
      () => first.running('d-source', 'd-sink'),
      60,
    )
  },
  async 'pause-and-resume'() {
    const state = async () => (await first.rest<Status>('GET', '/connectors/a-source/status')).tasks[0]?.state
    await first.rest('PUT', '/connectors/a-source/pause')
    await until(
      () => 'it is paused',
      async () => (await state()) === 'PAUSED',
    )
    await first.rest('PUT', '/connectors/a-source/resume')
    write(at('a-in'), 100)
    equalLines(await readTopic(`${cluster}-a`, 700), linesOf(at('a-in')))
  },
  async 'reset-offsets-by-rest'() {
    await first.rest('PUT', '/connectors/b-source/stop')
    await until(
      () => 'it is stopped',
      async () => {
        const { connector, tasks } = await first.rest<Status>('GET', '/connectors/b-source/status')
        return connector.state === 'STOPPED' && tasks.length === 0
      },
    )
    await first.rest('DELETE', '/connectors/b-source/offsets')
    await first.rest('PUT', '/connectors/b-source/resume')
    const lines = linesOf(at('b-in'))
    equalLines(await readTopic(`${cluster}-b`, 1200), [...lines, ...lines])
  },
  async 'dead-letter-queue'() {
    const [topic, letters, source] = [`${cluster}-json`, `${cluster}-letters`, at('j-in')]
    appendFileSync(source, '{"n":1}\nnot json\n{"n":2}\n{{\n{"n":3}\n')
    await create(fileSource('j-source', source, topic, required))
    await create(
      fileSink('j-sink', at('j-out'), topic, {
        'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
        'value.converter.schemas.enable': 'false',
        'errors.tolerance': 'all',
        'errors.deadletterqueue.topic.name': letters,
        'errors.deadletterqueue.topic.replication.factor': '1',
        'errors.deadletterqueue.context.headers.enable': 'true',
      }),
    )
    assert.deepEqual(await readTopic(letters, 2), ['not json', '{{'])
    await until(
      () => 'what is good is in the sink',
      () => linesOf(at('j-out')).length === 3,
    )
    assert.deepEqual(linesOf(at('j-out')), ['{n=1}', '{n=2}', '{n=3}'])
  },
  async 'delete-connectors'() {
    for (const { name } of await first.statuses()) await first.rest('DELETE', `/connectors/${name}`)
    await until(
      () => 'none is left',
      async () => (await first.statuses()).length === 0,
    )
    await first.stop()
  },
}

await runCases({ ...standalone, ...together }, 120)

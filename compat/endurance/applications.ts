/** Kafka Streams and Kafka Connect as workloads of the endurance run: unmodified runtimes, each with the grants that its documentation asks for. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectClassPath, distributed, fileSink, fileSource, type Status, Worker } from '../connect/worker.ts'
import { streamsClassPath } from '../streams/compile.ts'
import type { Properties } from '../support/brokers.ts'
import { countedUp, nothingBroken, writtenOnce } from './verdicts.ts'
import { expectThat, Finding, type Grant, lines, type Place, type Running, type Workload, within } from './workload.ts'

const drainSeconds = 180
const least = 500

/** What compat/streams/src/Words.java counts of a line. */
const wordsOf = (line: string) => {
  const [name, number] = line.split('-')
  return ['all', name!, `w${Number(number) % 37}`]
}

export const wordCount = (protocol: 'classic' | 'streams'): Workload => {
  const [input, output, user] = [`lines-${protocol}`, `counts-${protocol}`, `words-${protocol}`]
  const internal = ['CREATE', 'READ', 'WRITE', 'DELETE', 'DESCRIBE', 'DESCRIBE_CONFIGS']
  return {
    name: `streams-word-count-${protocol}`,
    topics: [input, output].map(name => ({ name, partitions: 3 })),
    grants: [
      [`lines-writer-${protocol}`, 'WRITE', 'TOPIC', 'LITERAL', input],
      [user, 'READ', 'TOPIC', 'LITERAL', input],
      [user, 'WRITE', 'TOPIC', 'LITERAL', output],
      ...internal.map((operation): Grant => [user, operation, 'TOPIC', 'PREFIXED', `${user}-`]),
      [user, 'READ', 'GROUP', 'LITERAL', user],
      [user, 'WRITE', 'TRANSACTIONAL_ID', 'PREFIXED', `${user}-`],
      ['auditor', 'READ', 'TOPIC', 'LITERAL', input],
      ['auditor', 'READ', 'TOPIC', 'LITERAL', output],
    ],
    async start(place) {
      for (const each of [`lines-writer-${protocol}`, user, 'auditor']) place.propertiesFile(each)
      const child = place.java('Words', [place.directory, protocol], await streamsClassPath())
      return {
        async stop() {
          place.stop()
          await within(drainSeconds, 'Words', child, place)
        },
        async judge() {
          const events = lines(place.file('events'))
          nothingBroken(events)
          const log = await place.dump(input)
          const written = writtenOnce(events, log)
          const counted = countedUp(
            log.flatMap(({ value }) => wordsOf(value)),
            await place.dump(output),
          )
          expectThat(written > least, `only ${written} records in all`)
          const instances = events.filter(([kind]) => kind === 'instance')
          const replaced = instances.reduce((sum, [, threads]) => sum + Number(threads), 0)
          return `${written} lines, ${counted} words counted 1, 2, 3 … without a gap or a repetition; ${instances.length} instances, ${replaced} threads replaced`
        },
      }
    },
  }
}

const all = ['CREATE', 'READ', 'WRITE', 'DESCRIBE', 'DESCRIBE_CONFIGS']

export const connectFiles: Workload = {
  name: 'connect-files',
  topics: [],
  grants: [
    ...all.map((operation): Grant => ['connect', operation, 'TOPIC', 'PREFIXED', 'files']),
    ['connect', 'READ', 'GROUP', 'LITERAL', 'files'],
    ['connect', 'READ', 'GROUP', 'LITERAL', 'connect-files-sink'],
    // Those of tasks begin with the cluster's name, that of the leader with `connect-cluster-`.
    ['connect', 'WRITE', 'TRANSACTIONAL_ID', 'PREFIXED', 'files-'],
    ['connect', 'WRITE', 'TRANSACTIONAL_ID', 'LITERAL', 'connect-cluster-files'],
    ['auditor', 'READ', 'TOPIC', 'PREFIXED', 'files'],
  ],
  start: startFiles,
}

/** A file that grows, an exactly-once source, a topic, a sink, another file. */
async function startFiles(place: Place): Promise<Running> {
  const login = place.login('connect')
  const forClients: Record<string, string> = {}
  for (const prefix of ['producer', 'consumer', 'admin'])
    for (const [key, value] of Object.entries(login)) forClients[`${prefix}.${key}`] = value
  const config: Properties = { ...distributed('files', login), ...forClients, 'offset.storage.partitions': '5' }
  const worker = await Worker.start(await connectClassPath(), place.directory, 'worker', config)
  const [from, to] = [place.file('from'), place.file('to')]
  writeFileSync(from, '')
  const exactly = { 'exactly.once.support': 'required', 'transaction.boundary': 'poll' }
  const connectors = [
    fileSource('files-source', from, 'files-lines', exactly),
    fileSink('files-sink', to, 'files-lines', { 'consumer.override.isolation.level': 'read_committed' }),
  ]
  for (const { name, ...rest } of connectors) await worker.rest('PUT', `/connectors/${name}/config`, rest)
  let written = 0
  let stopping = false
  const writing = (async () => {
    for (; !stopping; await sleep(50)) {
      appendFileSync(from, Array.from({ length: 10 }, () => `line-${written++}\n`).join(''))
    }
  })()
  writing.catch(() => {}) // stop() hears of it
  const watch = watchTasks(worker)
  const arrived = () => (existsSync(to) ? readFileSync(to, 'utf8').split('\n').slice(0, -1) : [])
  return {
    async stop() {
      stopping = true
      await writing
      try {
        const end = performance.now() + drainSeconds * 1000
        while (new Set(arrived()).size < written) {
          if (performance.now() > end)
            throw new Finding(`only ${new Set(arrived()).size} of ${written} lines arrived: ${worker.log().trim().slice(-600)}`)
          await sleep(300)
        }
      } finally {
        watch.stopping = true
        await watch.ended
        await worker.stop()
      }
    },
    async judge() {
      const log = await place.dump('files-lines')
      for (const [index, { value }] of log.entries())
        expectThat(value === `line-${index}`, `record ${index} of the topic is ${value}: lines are lost, doubled or out of order`)
      expectThat(log.length === written, `${log.length} records in the topic, not ${written}`)
      const sunk = arrived()
      expectThat(written > least && new Set(sunk).size === written, `${new Set(sunk).size} lines in the sink, not ${written}`)
      const again = sunk.length - written
      return `${written} lines, each exactly once in the topic and all in the sink, ${again} of them again (a sink is at-least-once); ${watch.restarts} times a failed task was started again`
    },
  }
}

/** Connect leaves a failed task alone; whoever operates it starts it again, through REST. */
function watchTasks(worker: Worker): { stopping: boolean; restarts: number; ended: Promise<void> } {
  const state = { stopping: false, restarts: 0, ended: Promise.resolve() }
  const failed = ({ connector, tasks }: Status) => [connector, ...tasks].some(each => each.state === 'FAILED')
  state.ended = (async () => {
    for (; !state.stopping; await sleep(1000)) {
      try {
        for (const each of (await worker.statuses()).filter(failed)) {
          await worker.rest('POST', `/connectors/${each.name}/restart?includeTasks=true&onlyFailed=true`)
          state.restarts++
        }
      } catch (error) {
        // While the broker is away the worker has other things to do; what does not come back is found at the end.
        appendFileSync(`${worker.output}.rest`, `${(error as Error).message}\n`)
      }
    }
  })()
  state.ended.catch(() => {}) // stop() hears of it
  return state
}

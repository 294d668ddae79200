/** The workloads of the endurance run. */
import { connectFiles, wordCount } from './applications.ts'
import { exactlyOnce, nothingBroken, readAndCommitted, workedOff, writtenOnce } from './verdicts.ts'
import { expectThat, lines, type Place, type Running, type Workload, within } from './workload.ts'

/** To work off what is left after the last restart; transactions of the dead end after 10 s, members after 45. */
const drainSeconds = 180
/** Fewer than these, and the run has shown nothing. */
const least = 500

/** One of src/*.java, which ends by itself once the file `stop` is there. */
function program(place: Place, main: string, users: readonly string[], judge: (events: string[][]) => Promise<string>): Running {
  for (const user of users) place.propertiesFile(user)
  const child = place.java(main, [place.directory])
  return {
    async stop() {
      place.stop()
      await within(drainSeconds, main, child, place)
    },
    async judge() {
      const events = lines(place.file('events'))
      nothingBroken(events)
      return judge(events)
    },
  }
}

const count = (events: string[][], kind: string) => events.filter(([first]) => first === kind).length

const ledger: Workload = {
  name: 'idempotent-producer-and-consumer',
  topics: [{ name: 'ledger', partitions: 4, configs: { 'segment.bytes': '1048576' } }],
  grants: [
    ['ledger-writer', 'WRITE', 'TOPIC', 'LITERAL', 'ledger'],
    ['ledger-reader', 'READ', 'TOPIC', 'LITERAL', 'ledger'],
    ['ledger-reader', 'READ', 'GROUP', 'LITERAL', 'readers'],
    ['auditor', 'READ', 'TOPIC', 'LITERAL', 'ledger'],
    ['auditor', 'DESCRIBE', 'GROUP', 'LITERAL', 'readers'],
  ],
  async start(place) {
    return program(place, 'Ledger', ['ledger-writer', 'ledger-reader', 'auditor'], async events => {
      const log = await place.dump('ledger')
      const written = writtenOnce(events, log)
      const again = readAndCommitted(events, log)
      expectThat(written > least, `only ${written} records in all`)
      return `${written} records acknowledged and there once, all read, ${again} more than once; ${count(events, 'committed')} commits kept`
    })
  },
}

const pipeline: Workload = {
  name: 'exactly-once-pipeline',
  topics: [
    { name: 'orders', partitions: 4 },
    { name: 'invoices', partitions: 4 },
  ],
  grants: [
    ['orders-writer', 'WRITE', 'TOPIC', 'LITERAL', 'orders'],
    ['pipeline', 'READ', 'TOPIC', 'LITERAL', 'orders'],
    ['pipeline', 'WRITE', 'TOPIC', 'LITERAL', 'invoices'],
    ['pipeline', 'READ', 'GROUP', 'LITERAL', 'pipeline'],
    ['pipeline', 'WRITE', 'TRANSACTIONAL_ID', 'PREFIXED', 'pipeline-'],
    ['auditor', 'READ', 'TOPIC', 'LITERAL', 'orders'],
    ['auditor', 'READ', 'TOPIC', 'LITERAL', 'invoices'],
    ['auditor', 'DESCRIBE', 'GROUP', 'LITERAL', 'pipeline'],
  ],
  async start(place) {
    return program(place, 'Pipeline', ['orders-writer', 'pipeline', 'auditor'], async events => {
      const input = await place.dump('orders')
      const output = await place.dump('invoices')
      const written = writtenOnce(events, input)
      exactlyOnce(input, output)
      expectThat(written > least, `only ${written} records in all`)
      const counts = ['committed', 'aborted', 'restarted', 'zombie'].map(kind => `${count(events, kind)} ${kind}`)
      return `${written} records of input, exactly one of output each; transactions: ${counts.join(', ')}`
    })
  },
}

const jobs: Workload = {
  name: 'share-group',
  topics: [{ name: 'jobs', partitions: 4 }],
  grants: [
    ['jobs-writer', 'WRITE', 'TOPIC', 'LITERAL', 'jobs'],
    ['jobs-worker', 'READ', 'TOPIC', 'LITERAL', 'jobs'],
    ['jobs-worker', 'READ', 'GROUP', 'LITERAL', 'workers'],
    ['auditor', 'READ', 'TOPIC', 'LITERAL', 'jobs'],
    ['auditor', 'DESCRIBE', 'GROUP', 'LITERAL', 'workers'],
  ],
  groupConfigs: { workers: { 'share.auto.offset.reset': 'earliest', 'share.record.lock.duration.ms': '15000' } },
  async start(place) {
    return program(place, 'Jobs', ['jobs-writer', 'jobs-worker', 'auditor'], async events => {
      const log = await place.dump('jobs')
      const written = writtenOnce(events, log)
      const { confirmed, redelivered, deliveries } = workedOff(events, log)
      expectThat(written > least && confirmed > written / 2, `only ${confirmed} confirmed of ${written} records`)
      return `${written} records, ${confirmed} acknowledgements confirmed and kept, ${redelivered} records delivered again (at most ${deliveries} times)`
    })
  },
}

const intruder: Workload = {
  name: 'denied',
  users: ['intruder', 'stranger'],
  topics: [],
  grants: [],
  async start(place) {
    place.propertiesFile('stranger', place.login('stranger', 'not-the-password'))
    return program(place, 'Intruder', ['intruder'], async events => {
      const refused = Map.groupBy(
        events.filter(([kind]) => kind === 'refused'),
        ([, what]) => what!,
      )
      const kinds = ['write', 'read', 'join', 'fence', 'grant', 'other-password']
      for (const kind of kinds)
        expectThat((refused.get(kind)?.length ?? 0) >= 3, `${kind} was refused only ${refused.get(kind)?.length} times`)
      return `${count(events, 'refused')} attempts without a grant or with a wrong password, all refused`
    })
  },
}

export const workloads: readonly Workload[] = [ledger, pipeline, jobs, wordCount('classic'), wordCount('streams'), connectFiles, intruder]

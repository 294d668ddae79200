/** What the schema registry does in a second. */
import { type Goal, least, type Measured, type RowOf, shown } from '../row.ts'
import { load, loadOn, type Request } from './http.ts'
import { Stand } from './stand.ts'

const schemas = 1_000
const connections = 32
const ms = 4_000

const record = (at: number) =>
  JSON.stringify({
    schema: JSON.stringify({
      type: 'record',
      name: `Order${at}`,
      namespace: 'com.example',
      fields: Array.from({ length: 10 }, (_, field) => ({ name: `field${field}`, type: ['null', 'string'], default: null })),
    }),
  })
const bodies = Array.from({ length: schemas }, (_, at) => record(at))

interface Kind {
  readonly metric: string
  readonly label: string
  readonly leastPerCore?: number
  /** The request with this number. */
  request(at: number): Request
}

const lookups: readonly Kind[] = [
  {
    metric: 'byId',
    label: 'a schema by its id',
    leastPerCore: 10_000,
    request: at => ({ method: 'GET', path: `/schemas/ids/${1 + (at % schemas)}` }),
  },
  {
    metric: 'latest',
    label: 'the latest version of a subject',
    leastPerCore: 10_000,
    request: at => ({ method: 'GET', path: `/subjects/s${at % schemas}-value/versions/latest` }),
  },
  {
    metric: 'idOf',
    label: 'the id of a schema',
    request: at => ({ method: 'POST', path: `/subjects/s${at % schemas}-value`, body: bodies[at % schemas]! }),
  },
]

let registered = schemas

const registrations: readonly Kind[] = [
  {
    metric: 'register',
    label: 'registrations of new subjects',
    request: () => {
      const at = registered++
      return { method: 'POST', path: `/subjects/new${at}-value/versions`, body: record(at) }
    },
  },
]

function goalsOf(kinds: readonly Kind[]): Goal[] {
  return kinds.flatMap(({ metric, label, leastPerCore }) => [
    leastPerCore === undefined
      ? shown(`${metric}PerCore`, `${label}, per core`, '/s', 'nothing')
      : least(`${metric}PerCore`, `${label}, per core`, leastPerCore, '/s'),
    shown(`${metric}PerSecond`, `${label}, with the load on the same cores`, '/s', 'nothing'),
    shown(`${metric}P99`, `${label}, p99`, 'ms', 'nothing'),
  ])
}

async function start(...[wanted]: Parameters<RowOf<Stand>['start']>): Promise<Stand> {
  const stand = await Stand.start(wanted, ['registry'])
  let next = 0
  const request = () => {
    const at = next++
    return at >= schemas ? null : { method: 'POST', path: `/subjects/s${at}-value/versions`, body: bodies[at]! }
  }
  await load({ port: stand.portOf('registry'), connections: 8, next: request })
  return stand
}

async function measure(stand: Stand, { metric, request }: Kind, forMs: number): Promise<Measured> {
  let at = 0
  const loading = { port: stand.portOf('registry'), connections, ms: forMs, next: () => request(at++) }
  const { requests, seconds, p99Ms, cost } = await loadOn(stand.pid, loading)
  return { [`${metric}PerCore`]: requests / cost.cpuSeconds, [`${metric}PerSecond`]: requests / seconds, [`${metric}P99`]: p99Ms }
}

function rowOf(name: string, settings: string, kinds: readonly Kind[]): RowOf<Stand> {
  return {
    name,
    settings: `${settings}; Avro records of ten fields; ${connections} connections of which each asks again when it has its answer`,
    alone: 'Apache Kafka has no registry',
    goals: goalsOf(kinds),
    warmSteps: 4,
    start,
    async warm({ broker, scale }) {
      let requests = 0
      for (const { request } of kinds) {
        const numbered = () => request(requests++)
        await load({ port: broker.portOf('registry'), connections, ms: (ms * scale) / kinds.length, next: numbered })
      }
      return requests
    },
    async measure({ broker, scale }) {
      const all: Measured = {}
      for (const kind of kinds) Object.assign(all, await measure(broker, kind, ms * scale))
      return all
    },
  }
}

export const registryRows: readonly RowOf<Stand>[] = [
  rowOf('registry-lookup', `${schemas.toLocaleString('en-US')} subjects of one version`, lookups),
  rowOf('registry-register', 'each request registers a new subject, and is answered when that is durable', registrations),
]

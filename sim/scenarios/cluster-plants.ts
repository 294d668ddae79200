/**
 * Bugs on purpose, each in a protocol of the cluster. A simulation that does not notice one of them proves nothing about it.
 */
import type { SharedSettings } from '../../src/log.ts'
import { type Backend, type Frame, frameKind, type Queries, type TransactResult, type Transport, type Writes } from '../../src/store.ts'
import type { PostgresPlant, SimulatedPostgres } from '../world/postgres.ts'
import type { Process } from '../world/process.ts'
import { sharePlants } from './share-plants.ts'

/** Wraps the way to the database, or plants a bug in it, in the program, or in its numbers. */
export interface ClusterPlant {
  postgres?: PostgresPlant
  /** Made anew for each process: what it remembers outlives a connection. */
  backend?: () => (backend: Backend) => Backend
  /** In all brokers, until what it returns is called. */
  program?: () => () => void
  settings?: Partial<SharedSettings>
  transport?: (transport: Transport) => Transport
  graceMs?: number
}

export const clusterPlants: Readonly<Record<string, ClusterPlant>> = {
  'a frame needs no predecessor': { postgres: 'no-predecessor-check' },
  'the fence is a flag that commits read without a lock': { postgres: 'flag-fence' },
  'a fence that fences nobody': {
    backend: () => backend => wrapped(backend, { queries: queriesWith(backend.queries, { fence: async () => 'done' }) }),
  },
  'a lease that is never over': { settings: { leaseMs: 3_600_000 } },
  'acknowledged before the commit': {
    backend: () => backend =>
      wrapped(backend, {
        async insertFrame(frame) {
          if (frame.kind !== frameKind.data) return backend.insertFrame(frame)
          backend.insertFrame(frame).catch(() => {})
          return true
        },
      }),
  },
  'a seq is used again: what is sent for the second time has other bytes': {
    backend: () => {
      const sent = new Set<string>()
      return backend => wrapped(backend, { insertFrame: frame => backend.insertFrame(otherBytesIfSent(sent, frame)) })
    },
  },
  'metadata is written apart from the move': { postgres: 'metadata-apart' },
  'frames are deleted that partitions still begin in': { postgres: 'unguarded-trim' },
  'the journal is trimmed before the flush is committed': {
    postgres: 'unguarded-trim',
    backend: () => {
      const rows = new LateRows()
      return backend => wrapped(backend, { transact: (frame, writes) => rows.transact(backend, frame, writes) })
    },
  },
  'a row is written before its object': {
    transport: transport => ({
      async send(request) {
        if (request.method !== 'PUT') return transport.send(request)
        transport.send(request).catch(() => {})
        return { status: 200, headers: {}, body: Buffer.alloc(0) }
      },
      close: () => transport.close(),
    }),
  },
  'an object goes with its last row': { graceMs: 0 },
  'objects of living sessions are swept': {
    backend: () => backend => {
      const sweepable = async () => (await backend.queries.sessions()).map(({ session }) => session)
      return wrapped(backend, { queries: queriesWith(backend.queries, { sweepable }) })
    },
  },
  'objects that rows name are swept': {
    backend: () => backend => wrapped(backend, { queries: queriesWith(backend.queries, { unreferenced: async objects => [...objects] }) }),
  },
  'what ended sessions left behind is never swept': {
    backend: () => backend => wrapped(backend, { queries: queriesWith(backend.queries, { sweepable: async () => [] }) }),
  },
}

/** Of a failover to a standby that lags. */
export const lossPlants: Readonly<Record<string, ClusterPlant>> = {
  'what the database has lost is taken for a fence': {
    backend: () => backend => {
      const frameAt: Queries['frameAt'] = async (session, seq) =>
        (await backend.queries.frameAt(session, seq)) ?? { kind: frameKind.fence, bodyBytes: 0 }
      return wrapped(backend, { queries: queriesWith(backend.queries, { frameAt }) })
    },
  },
}

/** What the clients of a share group have to notice, where whoever serves them moves and dies. */
export const clusterSharePlants: Readonly<Record<string, ClusterPlant>> = {
  ...Object.fromEntries(Object.entries(sharePlants).map(([bug, program]) => [bug, { program }])),
  'acknowledged before the commit': clusterPlants['acknowledged before the commit']!,
}

/** As if a group whose answer did not come had been taken back, and its seq given to the next one, which is empty. */
function otherBytesIfSent(sent: Set<string>, frame: Frame): Frame {
  const name = `${frame.session}/${frame.seq}`
  if (frame.kind === frameKind.data && sent.has(name)) return { ...frame, body: Buffer.alloc(0), objects: [] }
  sent.add(name)
  return frame
}

/** A flush trims in one transaction, and gives its pieces their rows in the next one. */
class LateRows {
  #late: Pick<Writes, 'partitions' | 'addSegments'> = {}

  async transact(backend: Backend, frame: Frame, writes: Writes): Promise<TransactResult> {
    if (writes.trimBelow === undefined || writes.takeOver !== undefined) return backend.transact(frame, writes)
    const { partitions = [], addSegments = [], ...others } = writes
    const result = await backend.transact(frame, { ...others, ...this.#late })
    if (result === 'done') this.#late = { partitions, addSegments }
    return result
  }
}

function wrapped(backend: Backend, over: Partial<Backend>): Backend {
  return {
    insertFrame: frame => backend.insertFrame(frame),
    transact: (frame, writes) => backend.transact(frame, writes),
    queries: backend.queries,
    onLost: callback => backend.onLost(callback),
    listen: callback => backend.listen(callback),
    close: () => backend.close(),
    ...over,
  }
}

function queriesWith(queries: Queries, over: Partial<Queries>): Queries {
  return new Proxy(queries, {
    get(target, name) {
      const found: unknown = Reflect.get(over, name) ?? Reflect.get(target, name)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
}

/** The way to the database for a broker in this process. */
export function connectWith(plant: ClusterPlant, postgres: SimulatedPostgres, process: Process): () => Promise<Backend> {
  const connect = postgres.connect(process)
  const wrap = plant.backend?.()
  return wrap === undefined ? connect : async () => wrap(await connect())
}

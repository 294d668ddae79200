/**
 * Bugs on purpose, each in a protocol of the cluster. A simulation that does not notice one of them proves nothing about it.
 */
import { type Backend, frameKind, type Queries } from '../../src/store.ts'
import type { PostgresPlant, SimulatedPostgres } from '../world/postgres.ts'
import type { Process } from '../world/process.ts'

/** Wraps the way to the database, or plants a bug in it. */
export interface ClusterPlant {
  postgres?: PostgresPlant
  backend?: (backend: Backend) => Backend
}

export const clusterPlants: Readonly<Record<string, ClusterPlant>> = {
  'a frame needs no predecessor': { postgres: 'no-predecessor-check' },
  'frames are deleted that partitions still begin in': { postgres: 'unguarded-trim' },
  'metadata is written apart from the move': { postgres: 'metadata-apart' },
  'acknowledged before the commit': {
    backend: backend =>
      wrapped(backend, {
        async insertFrame(frame) {
          if (frame.kind !== frameKind.data) return backend.insertFrame(frame)
          backend.insertFrame(frame).catch(() => {})
          return true
        },
      }),
  },
  'a fence that fences nobody': {
    backend: backend => wrapped(backend, { queries: queriesWith(backend.queries, { fence: async () => 'done' }) }),
  },
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
  const { backend: wrap } = plant
  return wrap === undefined ? connect : async () => wrap(await connect())
}

/** For tests of brokers that follow a metadata log: shards without topics to open, and a change that shows when it is lost or doubled. */
import { randomUuid } from '../../protocol.ts'
import type { TestSystem } from '../runtime.testing.ts'
import { testRules } from './cluster.testing.ts'
import type { Deciding } from './deciding.ts'
import { FollowedMetadata } from './followed-metadata.ts'
import type { MetadataLog } from './metadata-log.ts'
import { ClusterShard } from './shard.ts'

export interface Follower {
  home: FollowedMetadata
  /** The newest that was loaded. */
  shard: ClusterShard
  loads: number
  reports: string[]
}

export function makeShard(system: TestSystem, loaded: (shard: ClusterShard) => void): ClusterShard {
  const shard: ClusterShard = new ClusterShard({
    brokerId: 0,
    rules: testRules,
    limits: { topics: 1_000, partitions: 1_000 },
    newTopicId: () => randomUuid(system.random),
    replayed() {},
    loaded: () => loaded(shard),
  })
  return shard
}

export function follow(system: TestSystem, log: MetadataLog): Follower {
  const reports: string[] = []
  const loaded = (shard: ClusterShard) => {
    follower.shard = shard
    follower.loads++
  }
  const home = new FollowedMetadata({
    system,
    log,
    makeShard: () => makeShard(system, loaded),
    changed() {},
    report: (what, error) => void reports.push(`${what}: ${(error as Error).message}`),
  })
  const follower: Follower = { home, shard: makeShard(system, () => {}), loads: 0, reports }
  return follower
}

/** A read-modify-write, so that a lost or doubled change shows in the sum. */
export function increment(shard: ClusterShard): Deciding<unknown> {
  const edit = (current: ReadonlyMap<string, string>) => new Map([['count', String(Number(current.get('count') ?? 0) + 1)]])
  return shard.applyConfigs([{ type: 'BROKER', name: '', edit }], false)
}

export const countIn = (shard: ClusterShard) => Number(shard.image.configs.of('BROKER', '').get('count') ?? 0)

/** Lets the machine run, for some time if need be, until the promise has settled. */
export async function settled<T>(system: TestSystem, promise: Promise<T>, withinMs = 0): Promise<T> {
  let done = false
  const mark = () => {
    done = true
  }
  promise.then(mark, mark)
  for (let ms = 0; ms <= withinMs && !done; ms += 10) await system.advance(ms === 0 ? 0 : 10)
  if (!done) throw new Error('the promise does not settle')
  return promise
}

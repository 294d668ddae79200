/**
 * What breaks in a cluster while clients work: each broker, PostgreSQL and the object store, killed, paused or cut off, alone and in
 * pairs, and how soon all brokers are healthy again after it heals.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type SeededRandom, seededRandom } from '../../sim/world/random.ts'
import type { Cluster, Member } from '../support/cluster.ts'
import type { WayTo } from '../support/proxy.ts'
import { expectThat } from './workload.ts'

interface Breaks {
  seed: number
  kills: number
  seconds: number
  log(line: string): void
}

/** Something that breaks, and heals when the answer is called. */
type Break = () => Promise<() => Promise<void>>

const mostAwaySeconds = 8

export async function breaks(cluster: Cluster, { seed, kills, seconds, log }: Breaks): Promise<string> {
  const random = seededRandom(seed)
  const kinds = Object.entries(kindsOf(cluster, random))
  const each = (seconds * 1000) / kills
  const count = new Map<string, number>()
  for (let nth = 0; nth < kills; nth++) {
    await sleep(each * (0.5 + random.fraction() * 0.5))
    void cluster.pid // all must be alive
    const first = kinds[nth % kinds.length]!
    const second = nth >= kinds.length && random.below(2) === 0 ? random.pick(kinds) : null
    const chosen = second === null || second[0] === first[0] ? [first] : [first, second]
    const name = chosen.map(([kind]) => kind).join(' and ')
    const heals: (() => Promise<void>)[] = []
    for (const [, start] of chosen) heals.push(await start())
    const awayMs = 200 + random.below(mostAwaySeconds * 1000)
    await sleep(awayMs)
    for (const heal of heals) await heal()
    log(`  ${nth + 1} of ${kills}: ${name}, for ${(awayMs / 1000).toFixed(1)} s`)
    count.set(name, (count.get(name) ?? 0) + 1)
  }
  await sleep(each)
  void cluster.pid
  const errors = cluster
    .log()
    .split('\n')
    .filter(line => /"level":"?(fatal|60)/.test(line))
  expectThat(errors.length === 0, `${errors.length} fatal errors in their logs, first: ${errors[0]?.slice(0, 400)}`)
  return [...count].map(([name, times]) => `${name} ${times} times`).join(', ')
}

function kindsOf(cluster: Cluster, random: SeededRandom): Record<string, Break> {
  const { stores } = cluster
  const any = (): Member => random.pick(cluster.members)
  const cut = (way: (member: Member) => WayTo, which: () => readonly Member[]): Break => {
    return async () => {
      const ways = which().map(way)
      const how = random.pick(['refused', 'silent'] as const)
      for (const proxy of ways) proxy.cut(how)
      return async () => {
        for (const proxy of ways) proxy.heal()
      }
    }
  }
  return {
    'kill -9 of a broker': async () => {
      const { broker } = any()
      await broker.stop('SIGKILL')
      return () => broker.restart()
    },
    'a broker paused': async () => {
      const { pid } = any().broker
      process.kill(pid, 'SIGSTOP')
      return async () => void process.kill(pid, 'SIGCONT')
    },
    'a broker without PostgreSQL': cut(
      ({ ways }) => ways.postgres,
      () => [any()],
    ),
    'a broker without objects': cut(
      ({ ways }) => ways.minio,
      () => [any()],
    ),
    'kill -9 of PostgreSQL': async () => {
      await stores.postgres.kill()
      return () => stores.postgres.restart()
    },
    'kill -9 of the object store': async () => {
      await stores.minio.kill()
      return () => stores.minio.restart()
    },
    'PostgreSQL away from all': cut(
      ({ ways }) => ways.postgres,
      () => cluster.members,
    ),
    'objects away from all': cut(
      ({ ways }) => ways.minio,
      () => cluster.members,
    ),
    'a broker stopped and started': async () => {
      const { broker } = any()
      await broker.stop('SIGTERM')
      return () => broker.restart()
    },
  }
}

/**
 * What breaks in a cluster while clients work: each broker, PostgreSQL and the object store, killed, paused or cut off, alone and in
 * pairs, and how soon all brokers serve and all partitions take records again after it heals.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type SeededRandom, seededRandom } from '../../sim/world/random.ts'
import type { Cluster, Member } from '../support/cluster.ts'
import type { WayTo } from '../support/proxy.ts'
import type { Acknowledged } from './acknowledged.ts'
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

/** All brokers have to serve and all partitions to acknowledge again so soon after everything has healed. */
const healedWithinMs = 10_000
/** A broker that is told to stop has ended by itself by then. */
const stoppedWithinMs = 30_000

export async function breaks(cluster: Cluster, acknowledged: Acknowledged, { seed, kills, seconds, log }: Breaks): Promise<string> {
  const random = seededRandom(seed)
  const end = performance.now() + seconds * 1000
  const left = () => Math.max(0, end - performance.now())
  const count = new Map<string, number>()
  let slowest = 0
  for (let nth = 0; nth < kills; nth++) {
    // The other half is for the break and its healing, which take longer on a busy machine.
    await sleep((left() / (kills - nth)) * (0.25 + random.fraction() * 0.5))
    void cluster.pid // all must be alive
    acknowledged.take()
    const kinds = Object.entries(kindsOf(cluster, random))
    const first = kinds[nth % kinds.length]!
    const second = nth >= kinds.length && random.below(2) === 0 ? random.pick(kinds) : null
    const chosen = second === null || second[0] === first[0] ? [first] : [first, second]
    const name = chosen.map(([kind]) => kind).join(' and ')
    const heals: (() => Promise<void>)[] = []
    const awayMs = 200 + random.below(mostAwaySeconds * 1000)
    try {
      for (const [, start] of chosen) heals.push(await start())
      await sleep(awayMs)
    } finally {
      // All at once: a broker that was killed does not listen before PostgreSQL is back.
      await Promise.all(heals.map(heal => heal()))
    }
    const healedMs = await untilHealed(cluster, acknowledged, name)
    slowest = Math.max(slowest, healedMs)
    log(`  ${nth + 1} of ${kills}: ${name}, for ${(awayMs / 1000).toFixed(1)} s; all well ${(healedMs / 1000).toFixed(1)} s later`)
    count.set(name, (count.get(name) ?? 0) + 1)
  }
  await sleep(left())
  void cluster.pid
  const errors = cluster
    .log()
    .split('\n')
    .filter(line => /"level":"?(fatal|60)/.test(line))
  expectThat(errors.length === 0, `${errors.length} fatal errors in their logs, first: ${errors[0]?.slice(0, 400)}`)
  const times = [...count].map(([name, times]) => `${name} ${times} times`).join(', ')
  return `${times}; all was well within ${(slowest / 1000).toFixed(1)} s`
}

/** How long after now every broker has a session with a proven lease, and every partition of the writers has acknowledged something. */
async function untilHealed({ members }: Cluster, acknowledged: Acknowledged, after: string): Promise<number> {
  const began = performance.now()
  acknowledged.take()
  const silent = new Set(acknowledged.known)
  for (;;) {
    const reasons = await Promise.all(members.map(async ({ id, unready }) => [id, await unready()] as const))
    for (const partition of acknowledged.take()) silent.delete(partition)
    const ms = performance.now() - began
    const wrong = reasons.filter(([, reason]) => reason !== null).map(([id, reason]) => `broker ${id}: ${reason}`)
    if (silent.size > 0) wrong.push(`nothing was acknowledged by ${[...silent].join(', ')}`)
    if (wrong.length === 0) return ms
    expectThat(ms < healedWithinMs, `${healedWithinMs / 1000} s after ${after}: ${wrong.join('; ')}`)
    await sleep(50)
  }
}

/** Of one round: what concerns a broker concerns another one each time, for one that is killed can be neither paused nor stopped. */
function kindsOf(cluster: Cluster, random: SeededRandom): Record<string, Break> {
  const { stores } = cluster
  const untouched = [...cluster.members]
  const any = (): Member => untouched.splice(random.below(untouched.length), 1)[0]!
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
      ({ ways }) => ways.objects,
      () => [any()],
    ),
    'kill -9 of PostgreSQL': async () => {
      await stores.postgres.kill()
      return () => stores.postgres.restart()
    },
    'kill -9 of the object store': async () => {
      await stores.objects.kill()
      return () => stores.objects.restart()
    },
    'PostgreSQL away from all': cut(
      ({ ways }) => ways.postgres,
      () => cluster.members,
    ),
    'objects away from all': cut(
      ({ ways }) => ways.objects,
      () => cluster.members,
    ),
    'a broker stopped and started': async () => {
      const { broker } = any()
      const began = performance.now()
      await broker.stop('SIGTERM')
      const ms = performance.now() - began
      expectThat(ms < stoppedWithinMs, `a broker had to be killed ${stoppedWithinMs / 1000} s after SIGTERM`)
      return () => broker.restart()
    },
  }
}

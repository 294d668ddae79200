/** Commands, metrics and Kafka's tools. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { apis } from '../../src/protocol.ts'
import { repository } from '../support/cache.ts'
import { unique } from '../support/kit.ts'
import { type Finished, run } from '../support/run.ts'
import { command } from './broker.ts'
import type { Cases } from './case.ts'
import { eventually, expect, same, type World } from './world.ts'

interface Status {
  incarnation: number
  postgresql: string
  objects: string
  moves: unknown[]
  degraded: string[]
  brokers: { id: number; session: number; rack: string; leaders: number; proven: boolean; lease_margin_ms: number }[]
}

/** As broker 1 was told where the services are. */
function millrace(world: World, ...args: string[]): Promise<Finished> {
  return run(command, args, { seconds: 90, env: { ...world.broker(1).env } })
}

export function ofStores(world: World, ...args: string[]): Promise<Finished> {
  return millrace(world, ...args, ...world.broker(1).stores)
}

export async function status(world: World): Promise<{ code: number | null; told: Status }> {
  const { code, stdout, stderr } = await ofStores(world, 'cluster', 'status', '--json')
  expect(stdout !== '', stderr)
  return { code, told: JSON.parse(stdout) as Status }
}

async function leaderOf(world: World, topic: string): Promise<number> {
  return (await world.partitions(3, topic))[0]!.leader
}

async function ledBy(world: World, id: number): Promise<unknown[]> {
  const { topics } = await world.view(3)
  return [...topics.values()].flatMap(({ partitions }) => partitions.filter(({ leader }) => leader === id))
}

/** Of every step of the protocols in docs/cluster.md. */
const metrics = [
  'millrace_database_commit_duration_seconds_count',
  'millrace_cluster_take_over_duration_seconds_count',
  'millrace_cluster_move_duration_seconds_count',
  'millrace_cluster_flushes_total',
  'millrace_cluster_deleted_objects_total',
  'millrace_cluster_swept_objects_total',
  'millrace_cluster_lease_margin_seconds',
  'millrace_cluster_lease_proven',
  'millrace_cluster_fenced_total',
  'millrace_cluster_sessions_total',
  'millrace_objects_requests_total{request="put"}',
  'millrace_objects_requests_total{request="get"}',
  'millrace_cluster_journal_objects_total',
  'millrace_cluster_trims_total',
]

export const commands: Cases = {
  'cluster/status': async world => {
    const { code, told } = await status(world)
    same([code, told.degraded], [0, []], 'the exit code, and what is degraded')
    same([told.postgresql, told.objects, told.incarnation, told.moves], ['ok', 'ok', 1, []], 'the services, the incarnation, the moves')
    same(
      told.brokers.map(({ id, rack, proven }) => [id, rack, proven]),
      [1, 2, 3].map(id => [id, `rack-${id}`, true]),
      'the brokers',
    )
    for (const { session, lease_margin_ms } of told.brokers)
      expect(session > 0 && lease_margin_ms > 0 && lease_margin_ms <= 2_500, JSON.stringify(told.brokers))
    const led = [...(await world.view(1)).topics.values()].flatMap(({ partitions }) => partitions.map(({ leader }) => leader))
    same(
      told.brokers.map(({ leaders }) => leaders),
      [1, 2, 3].map(id => led.filter(leader => leader === id).length),
      'how much each leads',
    )
    const text = await ofStores(world, 'cluster', 'status')
    expect(/^PostgreSQL: ok$/m.test(text.stdout) && /^all is well$/m.test(text.stdout), text.stdout)
    return ''
  },

  'cluster/status-degraded': async world => {
    await world.broker(3).end('SIGKILL')
    await eventually('it is not among the brokers', 5_000, async () => !(await world.view(1, [])).brokers.has(3))
    const dead = await status(world)
    same(dead.code, 1, 'the exit code when a broker is dead')
    expect(dead.told.degraded.includes('broker 3 does not run'), JSON.stringify(dead.told.degraded))
    await world.broker(3).start()
    await world.settled()
    await world.stores.objects.kill()
    const storeless = await status(world)
    await world.stores.objects.restart()
    same(storeless.code, 1, 'the exit code without the object store')
    expect(storeless.told.objects !== 'ok' && storeless.told.brokers.length === 3, JSON.stringify(storeless.told))
    await eventually('all is well again', 10_000, async () => (await status(world)).code === 0)
    return ''
  },

  'cluster/move-and-drain': async world => {
    const topic = unique('moved')
    same(await world.createTopic(1, topic, { assignments: [[1, 2, 3]] }), 'NONE', 'CreateTopics')
    const bootstrap = ['--bootstrap', `127.0.0.1:${world.broker(2).port}`]
    const moved = await millrace(world, 'cluster', 'move', `${topic}:0`, '3', ...bootstrap)
    same([moved.code, moved.stderr], [0, ''], 'cluster move')
    same(await leaderOf(world, topic), 3, 'the leader when it returns')
    const again = await ofStores(world, 'cluster', 'move', `${topic}:0`, '2')
    same([again.code, again.stderr], [0, ''], 'cluster move without --bootstrap')
    same(await leaderOf(world, topic), 2, 'the leader when it returns')
    const drained = await millrace(world, 'cluster', 'drain', '2', ...bootstrap)
    same([drained.code, drained.stderr], [0, ''], 'cluster drain')
    same(await ledBy(world, 2), [], 'what it leads when it returns')
    await sleep(5_000)
    same(await ledBy(world, 2), [], 'what it leads some time later')
    const nobody = await millrace(world, 'cluster', 'move', `${topic}:0`, '9', ...bootstrap)
    same(nobody.code, 1, 'cluster move to nobody')
    return `drained in ${drained.seconds.toFixed(1)} s`
  },

  'cluster/check-init-gc': async world => {
    for (const name of ['check', 'init', 'gc']) {
      const { code, stderr } = await ofStores(world, 'cluster', name)
      same([code, stderr], [0, ''], `cluster ${name}`)
    }
    return ''
  },

  doctor: async world => {
    const { code, stdout, stderr } = await ofStores(world, 'doctor', '--json', '--http', `127.0.0.1:${world.broker(1).http}`)
    same([code, stderr], [0, ''], 'the exit code')
    const found = JSON.parse(stdout) as { check: string; state: string; detail: string }[]
    const stateOf = (wanted: string) => found.find(({ check }) => check === wanted)
    for (const check of ['broker', 'database', 'object store', 'cluster', 'other brokers']) same(stateOf(check)?.state, 'ok', check)
    expect(/^3 brokers/.test(stateOf('other brokers')!.detail), stateOf('other brokers')!.detail)
    return ''
  },

  metrics: async world => {
    const page = await world.broker(1).metrics()
    for (const name of metrics) expect(page.includes(`\n${name} `), `there is no ${name}`)
    const alerts = readFileSync(join(repository, 'docs/cluster.md'), 'utf8').match(/\bmillrace_\w+/g)!
    for (const name of new Set(alerts)) expect(page.includes(`\n${name}`), `there is no ${name}, which an alert names`)
    return `${new Set(alerts).size} of alerts`
  },

  'brokers/each-names-the-others': async world => {
    for (const id of [1, 2, 3]) {
      const { brokers } = await world.ask(id, apis.describeCluster, 1, { includeClusterAuthorizedOperations: false })
      same(brokers.map(({ brokerId }) => brokerId).sort(), [1, 2, 3], `DescribeCluster at broker ${id}`)
    }
    return ''
  },
}

/** What clients see while brokers die, pause, are cut off, stop and come, and while a service is away. All time-outs are of one second. */
import { setTimeout as sleep } from 'node:timers/promises'
import { apis, errorName } from '../../src/protocol.ts'
import { unique } from '../support/kit.ts'
import type { Cases } from './case.ts'
import { eventually, expect, same, seconds, type World } from './world.ts'
import { Writers } from './writer.ts'

const failoverMs = 5_000
const partitions = 6

async function writersOf(world: World, configs: Readonly<Record<string, string>> = {}): Promise<Writers> {
  const topic = unique('written')
  const [id] = world.brokers.keys()
  same(await world.createTopic(id!, topic, { partitions, factor: 3, configs }), 'NONE', 'CreateTopics')
  const writers = new Writers(world, topic, partitions)
  await writers.start()
  writers.forget()
  return writers
}

/** As broker `at` tells it: these are no brokers, no leaders, and not in sync, but replicas still. How long it took. */
function areGone(world: World, at: number, gone: readonly number[]): Promise<number> {
  return eventually(`broker ${at} knows that ${gone} is gone`, failoverMs, async () => {
    const { brokers, topics } = await world.view(at)
    for (const id of gone) if (brokers.has(id)) throw new Error(`${id} is a broker`)
    for (const [topic, { partitions: all }] of topics)
      for (const { partition, leader, isr } of all)
        for (const id of gone)
          if (leader === id || leader < 0 || isr.includes(id)) throw new Error(`${topic}-${partition}: ${leader}, ${isr}`)
    return true
  })
}

async function leadersOf(world: World, at: number): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>()
  for (const { partitions: all } of (await world.view(at)).topics.values())
    for (const { leader } of all) counts.set(leader, (counts.get(leader) ?? 0) + 1)
  return counts
}

const totalOf = (counts: ReadonlyMap<number, number>) => [...counts.values()].reduce((sum, each) => sum + each, 0)

/** After a restart. */
function leadsItsShare(world: World, id: number): Promise<number> {
  return eventually(`broker ${id} leads its share`, 10_000, async () => {
    const counts = await leadersOf(world, 3)
    return (counts.get(id) ?? 0) >= Math.floor(totalOf(counts) / 3) - 1
  })
}

/** Leaders of all partitions, as text: what changes when something moves. */
async function arrangement(world: World, at: number): Promise<string> {
  return [...(await world.view(at)).topics].map(([topic, { partitions: all }]) => `${topic} ${all.map(({ leader }) => leader)}`).join('; ')
}

/** Clients are served again, and the broker goes on in the same process with another session. */
async function comesBack(world: World, id: number, pid: number, story: () => string): Promise<number> {
  const ms = await eventually(
    'it begins a new session',
    failoverMs,
    async () => (await world.broker(id).unready()) === null && /"msg":"registered"/.test(story()),
  )
  same(world.broker(id).pid, pid, 'its process')
  expect(/the session ended; beginning another one/.test(story()), 'its log tells that its session ended')
  return ms
}

async function paused(world: World, id: number): Promise<string> {
  const writers = await writersOf(world)
  const broker = world.broker(id)
  const { pid } = broker
  const story = broker.mark()
  const other = id === 1 ? 2 : 1
  broker.signal('SIGSTOP')
  try {
    const gone = await areGone(world, other, [id])
    const served = await writers.goOn(failoverMs)
    await sleep(10_000 - gone - served)
    broker.signal('SIGCONT')
    const back = await comesBack(world, id, pid, story)
    await writers.goOn(failoverMs)
    return `gone after ${seconds(gone)}, all written ${seconds(writers.longestMs)} later at most, a new session after ${seconds(back)}`
  } finally {
    broker.signal('SIGCONT')
    await world.settled()
    await writers.stop()
  }
}

export const failures: Cases = {
  'failover/killed': async world => {
    const writers = await writersOf(world)
    const [two, three] = [world.broker(2).mark(), world.broker(3).mark()]
    const began = performance.now()
    await world.broker(1).end('SIGKILL')
    await areGone(world, 2, [1])
    await areGone(world, 3, [1])
    const gone = performance.now() - began
    await writers.goOn(failoverMs)
    const all = performance.now() - began
    expect(all < failoverMs + 500, `all partitions took records after ${seconds(all)}`)
    const replicas = (await world.partitions(2, writers.topic)).map(each => each.replicas)
    expect(
      replicas.every(each => each.includes(1)),
      `it stays a replica: ${JSON.stringify(replicas)}`,
    )
    same(await world.createTopic(2, unique('dead'), { partitions: 3, factor: 3 }), 'NONE', 'a factor of 3 while it is dead')
    same((await world.view(2, [])).controller, 2, 'the controller')
    const story = two() + three()
    // On one machine, brokers also see that the process has ended.
    const lines = [
      /does not write its heartbeats|the process of a broker has ended/,
      /its partitions have other leaders/,
      /partitions were taken over/,
    ]
    for (const line of lines) expect(line.test(story), `no log tells ${line}`)
    await world.broker(1).start()
    await leadsItsShare(world, 1)
    await world.settled()
    await writers.goOn(failoverMs)
    const count = await writers.stop()
    return `gone after ${seconds(gone)}, all partitions took records after ${seconds(all)}; ${count} records`
  },

  'failover/unregistered': async world => {
    await world.broker(3).end('SIGKILL')
    await areGone(world, 1, [3])
    await eventually('it can be unregistered', 2_000, async () => {
      const { errorCode, errorMessage } = await world.ask(1, apis.unregisterBroker, 0, { brokerId: 3 }, 5_000)
      expect(errorCode === 0, `${errorName(errorCode)}: ${errorMessage}`)
      return true
    })
    same(await world.createTopic(1, unique('factor'), { partitions: 1, factor: 3 }), 'INVALID_REPLICATION_FACTOR', 'a factor of 3 then')
    await world.broker(3).start()
    await world.settled()
    same(await world.createTopic(1, unique('factor'), { partitions: 1, factor: 3 }), 'NONE', 'a factor of 3 when it is back')
    return ''
  },

  'failover/unregistered-while-it-runs': async world => {
    const topic = await world.spread()
    // By another one, and by itself.
    for (const [asked, id] of [
      [1, 3],
      [2, 2],
    ] as const) {
      const began = performance.now()
      const { errorCode, errorMessage } = await world.ask(asked, apis.unregisterBroker, 0, { brokerId: id }, 10_000)
      expect(errorCode === 0, `broker ${asked} about ${id}: ${errorName(errorCode)}: ${errorMessage}`)
      const withinMs = failoverMs - (performance.now() - began)
      await eventually('others lead', withinMs, async () => (await world.partitions(1, topic)).every(({ leader }) => leader !== id))
      await eventually('it says so', 2_000, async () => /was unregistered/.test((await world.broker(id).unready()) ?? ''))
      await sleep(2 * failoverMs)
      expect(!(await world.view(1, [])).brokers.has(id), `broker ${id} came back by itself`)
      const again = await world.ask(1, apis.unregisterBroker, 0, { brokerId: id })
      same(errorName(again.errorCode), 'BROKER_ID_NOT_REGISTERED', 'UnregisterBroker once more')
      same((await world.broker(id).end('SIGTERM')).code, 0, 'the code with which it ends')
      await world.broker(id).start()
      await world.settled()
    }
    return ''
  },

  'failover/two-at-once-with-min-insync-2': async world => {
    const writers = await writersOf(world, { 'min.insync.replicas': '2' })
    const began = performance.now()
    await Promise.all([world.broker(1).end('SIGKILL'), world.broker(3).end('SIGKILL')])
    await areGone(world, 2, [1, 3])
    await writers.goOn(failoverMs)
    const ms = performance.now() - began
    expect(ms < failoverMs + 500, `all partitions took records after ${seconds(ms)}`)
    await Promise.all([world.broker(1).start(), world.broker(3).start()])
    await world.settled()
    await writers.goOn(failoverMs)
    await writers.stop()
    return `all partitions took records after ${seconds(ms)}`
  },

  /** A pause, because brokers on one machine need not wait for the lease of a process that has ended. */
  'failover/two-paused-at-once': async world => {
    const writers = await writersOf(world)
    const both = [world.broker(1), world.broker(3)]
    const pids = both.map(({ pid }) => pid)
    for (const broker of both) broker.signal('SIGSTOP')
    try {
      const gone = await areGone(world, 2, [1, 3])
      await writers.goOn(failoverMs)
      await sleep(2_000)
      for (const broker of both) broker.signal('SIGCONT')
      await world.settled(failoverMs)
      same(
        both.map(({ pid }) => pid),
        pids,
        'their processes',
      )
      await writers.goOn(failoverMs)
      return `gone after ${seconds(gone)}, writers waited ${seconds(writers.longestMs)} at most`
    } finally {
      for (const broker of both) broker.signal('SIGCONT')
      await writers.stop()
    }
  },

  'failover/paused': world => paused(world, 2),

  'failover/the-first-paused': world => paused(world, 1),

  'failover/cut-off': async world => {
    const broker = world.broker(3)
    const times: number[] = []
    for (const how of ['refused', 'silent'] as const) {
      const writers = await writersOf(world)
      const { pid } = broker
      const story = broker.mark()
      broker.ways.postgres.cut(how)
      await areGone(world, 1, [3])
      await writers.goOn(failoverMs)
      await eventually('it says that its lease is not proven', failoverMs, async () => /^503/.test((await broker.unready()) ?? ''))
      await sleep(3_000)
      broker.ways.postgres.heal()
      times.push(await comesBack(world, 3, pid, story))
      await world.settled()
      await writers.stop()
    }
    return `a new session after ${times.map(seconds).join(' and ')}`
  },

  'stop/sigterm': async world => {
    const writers = await writersOf(world)
    const { code, ms } = await world.broker(2).end('SIGTERM')
    same(code, 0, 'the exit code')
    expect(ms < 30_000, `it took ${seconds(ms)}`)
    same((await leadersOf(world, 1)).get(2), undefined, 'what it leads when it has ended')
    const gap = writers.longestMs
    await world.broker(2).start()
    await leadsItsShare(world, 2)
    await world.settled()
    const count = await writers.stop()
    return `ended after ${seconds(ms)}, writers waited ${Math.round(gap)} ms at most; ${count} records`
  },

  'stop/all-at-once': async world => {
    const writers = await writersOf(world)
    await writers.pause()
    const brokers = [...world.brokers.values()]
    const ended = await Promise.all(brokers.map(broker => broker.end('SIGTERM')))
    same(
      ended.map(({ code }) => code),
      [0, 0, 0],
      'the exit codes',
    )
    const slowest = Math.max(...ended.map(({ ms }) => ms))
    expect(slowest < 30_000, `it took ${seconds(slowest)}`)
    await Promise.all(brokers.map(broker => broker.start()))
    await world.settled()
    await writers.stop()
    return `ended after ${seconds(slowest)}`
  },

  'stop/without-postgresql': async world => {
    // What they have sent to it can neither be acknowledged nor refused by it.
    const writers = await writersOf(world)
    const broker = world.broker(3)
    const times: number[] = []
    for (const how of ['refused', 'silent'] as const) {
      broker.ways.postgres.cut(how)
      await sleep(1_000)
      const { code, ms } = await broker.end('SIGTERM')
      same(code, 0, `the exit code when the database is ${how}`)
      expect(ms < 30_000, `it took ${seconds(ms)}`)
      times.push(ms)
      await writers.goOn(failoverMs)
      broker.ways.postgres.heal()
      await broker.start()
      await world.settled()
    }
    await writers.stop()
    return `ended after ${times.map(seconds).join(' and ')}`
  },

  'stop/without-objects': async world => {
    const writers = await writersOf(world)
    const broker = world.broker(3)
    const times: number[] = []
    for (const how of ['refused', 'silent'] as const) {
      broker.ways.objects.cut(how)
      const { code, ms } = await broker.end('SIGTERM')
      same(code, 0, `the exit code when the object store is ${how}`)
      expect(ms < 30_000, `it took ${seconds(ms)}`)
      times.push(ms)
      await writers.goOn(failoverMs)
      broker.ways.objects.heal()
      await broker.start()
      await world.settled()
    }
    await writers.stop()
    return `ended after ${times.map(seconds).join(' and ')}`
  },

  'balance/a-new-broker-gets-its-share': async world => {
    const writers = await writersOf(world)
    const fourth = await world.prepare(4)
    try {
      await fourth.start()
      const ms = await eventually('it leads its share', 10_000, async () => {
        const counts = await leadersOf(world, 1)
        const share = Math.floor(totalOf(counts) / 4)
        if ((counts.get(4) ?? 0) < share) throw new Error(`${counts.get(4)} of ${share}`)
        return true
      })
      await sleep(1_000)
      const before = await arrangement(world, 1)
      await sleep(15_000)
      same(await arrangement(world, 1), before, 'who leads what, 15 s later')
      return `after ${seconds(ms)}, writers waited ${Math.round(writers.longestMs)} ms at most`
    } finally {
      if (fourth.runs) await fourth.end('SIGTERM')
      world.brokers.delete(4)
      await world.ask(1, apis.unregisterBroker, 0, { brokerId: 4 }).catch(() => null)
      await fourth.remove()
      await world.settled()
      await writers.stop()
    }
  },

  'services/postgresql-killed': async world => {
    const writers = await writersOf(world)
    const pids = [1, 2, 3].map(id => world.broker(id).pid)
    await world.stores.postgres.kill()
    await sleep(8_000)
    await world.stores.postgres.restart()
    const ms = await writers.goOn(failoverMs)
    await world.settled(failoverMs)
    same(
      [1, 2, 3].map(id => world.broker(id).pid),
      pids,
      'their processes',
    )
    await writers.stop()
    return `all partitions took records ${seconds(ms)} after it was back`
  },

  'services/objects-killed': async world => {
    const writers = await writersOf(world)
    await world.stores.objects.kill()
    await sleep(3_000)
    await writers.goOn(failoverMs)
    await world.stores.objects.restart()
    await world.settled()
    await writers.stop()
    return 'small records went on'
  },
}

/** How brokers start, which id they have, and what their readiness says. */
import { setTimeout as sleep } from 'node:timers/promises'
import { apis } from '../../src/protocol.ts'
import type { Cases } from './case.ts'
import { eventually, expect, same, seconds } from './world.ts'

export const starts: Cases = {
  /** The URLs and credentials of the first come from flags and environment, of the second from files, of the third from the environment. */
  'start/flags-file-environment': async world => {
    same(
      world.starts,
      [1, 2, 3].map(() => ({ early: false, ready: true })),
      'ready exactly when the client port is open',
    )
    await world.settled()
    for (const id of [1, 2, 3]) {
      const { brokers, controller } = await world.view(id, [])
      same([...brokers.keys()].sort(), [1, 2, 3], `the brokers that ${id} names`)
      same([...brokers.values()].map(({ rack }) => rack).sort(), ['rack-1', 'rack-2', 'rack-3'], 'their racks')
      same(controller, 1, 'the controller')
    }
    return ''
  },

  /** Its credentials are those of the role of its instance. */
  'start/id-kept': async world => {
    const broker = await world.prepareOther(null, 'role')
    try {
      await broker.start()
      const idOf = async () => [...(await world.view(1, [])).brokers].find(([, { port }]) => port === broker.port)?.[0]
      await eventually('it is known', 5_000, async () => (await idOf()) !== undefined)
      const first = await idOf()
      same((await broker.end('SIGTERM')).code, 0, 'the exit code')
      await broker.start()
      await eventually('it is known again', 5_000, async () => (await idOf()) !== undefined)
      same(await idOf(), first, 'the id of a broker without node.id after a restart')
      await broker.end('SIGTERM')
      const { errorCode } = await world.ask(1, apis.unregisterBroker, 0, { brokerId: first! })
      same(errorCode, 0, 'the answer to UnregisterBroker')
      return `id ${first}`
    } finally {
      await broker.remove()
    }
  },

  'start/same-id-fences-the-first': async world => {
    const first = world.broker(3)
    const { pid } = first
    const second = await world.prepareOther(3)
    try {
      await second.start()
      const is = (port: number) => async () => (await world.view(1, [])).brokers.get(3)?.port === port
      await eventually('broker 3 is the second one', 5_000, is(second.port))
      await eventually('the first says that it has no session', 5_000, async () => /no session/.test((await first.unready()) ?? ''))
      same(first.pid, pid, 'the process of the first')
      same((await second.end('SIGTERM')).code, 0, 'the exit code of the second')
      const ms = await eventually('the first has a session again', 5_000, async () => (await first.unready()) === null)
      await eventually('broker 3 is the first one', 2_000, is(first.port))
      return `again after ${seconds(ms)}`
    } finally {
      await second.remove()
      await world.settled()
    }
  },

  'start/without-postgresql': async world => {
    const broker = world.broker(3)
    await broker.end('SIGTERM')
    broker.ways.postgres.cut('refused')
    broker.launch()
    await eventually('it says that the database is away', 15_000, async () => /^503.*database/.test((await broker.unready()) ?? ''))
    await sleep(12_000)
    expect(/^503/.test((await broker.unready()) ?? ''), 'it waits')
    broker.ways.postgres.heal()
    const ms = await eventually('it serves', 10_000, async () => (await broker.unready()) === null)
    await world.settled()
    return `served ${seconds(ms)} after the database was back`
  },

  'start/without-objects': async world => {
    const broker = world.broker(3)
    await broker.end('SIGTERM')
    broker.ways.objects.cut('refused')
    broker.launch()
    await sleep(15_000)
    expect(broker.runs, 'it stays up')
    broker.ways.objects.heal()
    const ms = await eventually('it serves', 10_000, async () => (await broker.unready()) === null)
    await world.settled()
    return `served ${seconds(ms)} after the store was back`
  },

  'start/stopped-while-it-waits': async world => {
    const broker = world.broker(3)
    await broker.end('SIGTERM')
    broker.ways.postgres.cut('silent')
    broker.launch()
    await eventually('it waits', 20_000, async () => /^503/.test((await broker.unready()) ?? ''))
    const { code, ms } = await broker.end('SIGTERM')
    same(code, 0, 'the exit code')
    expect(ms < 30_000, `it took ${seconds(ms)}`)
    broker.ways.postgres.heal()
    await broker.start()
    await world.settled()
    return ''
  },
}

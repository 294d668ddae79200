/** Connectors that are paused or stopped stay so, whichever worker comes next, and go on where they were when they are resumed. */
import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cases, until } from '../support/kit.ts'
import { fileSink, fileSource, type Status, type Worker } from './worker.ts'

interface Place {
  readonly cluster: string
  file(name: string): string
  linesOf(name: string): string[]
  startJava(): Promise<Worker>
  startOurs(): Promise<Worker>
}

type State = 'RUNNING' | 'PAUSED' | 'STOPPED'

/** A source and a sink of their own topic. What the sink writes is what has come through both. */
const pairs = ['one', 'two'] as const
const names = pairs.flatMap(pair => [`source-${pair}`, `sink-${pair}`])
/** So long nothing comes, where nothing is to come. */
const quietMs = 3_000

export function statesAreKept(place: Place): Cases {
  const { cluster, file, linesOf } = place
  let lines = 0
  const write = () => {
    const some = Array.from({ length: 100 }, () => `line ${lines++}\n`).join('')
    for (const pair of pairs) appendFileSync(file(`in-${pair}`), some)
  }
  const written = (pair: string) => linesOf(`out-${pair}`).length
  const requireAll = async () => {
    await until(
      () => `${lines} lines in both sinks, there are ${pairs.map(written)}`,
      () => pairs.every(pair => written(pair) >= lines),
      60,
    )
    for (const pair of pairs) assert.deepEqual(linesOf(`out-${pair}`), linesOf(`in-${pair}`), `${pair}: nothing is lost or twice`)
  }
  /** `wanted`: of source-one, sink-one, source-two, sink-two. */
  const requireStates = async (worker: Worker, wanted: readonly State[]) => {
    let told = ''
    await until(
      () => `${wanted.join()}, but there is ${told}`,
      async () => {
        const found = new Map((await worker.statuses()).map(each => [each.name, shown(each)]))
        told = names.map(name => found.get(name)).join()
        return told === wanted.map(state => (state === 'STOPPED' ? 'STOPPED ' : `${state} ${state}`)).join()
      },
      60,
    )
  }
  /** Nothing moves that is not to move, while lines come. */
  const requireQuiet = async () => {
    const before = pairs.map(written)
    write()
    await sleep(quietMs)
    assert.deepEqual(pairs.map(written), before, 'what is paused or stopped writes nothing')
  }
  const ask = async (worker: Worker, verb: 'pause' | 'stop' | 'resume', some: readonly string[]) => {
    for (const name of some) await worker.rest('PUT', `/connectors/${name}/${verb}`)
  }
  return {
    async 'java-pauses-and-stops'() {
      const java = await place.startJava()
      write()
      for (const pair of pairs) {
        const more = { 'exactly.once.support': 'required' }
        for (const { name, ...settings } of [
          fileSource(`source-${pair}`, file(`in-${pair}`), `${cluster}-${pair}`, more),
          fileSink(`sink-${pair}`, file(`out-${pair}`), `${cluster}-${pair}`, { 'consumer.override.isolation.level': 'read_committed' }),
        ])
          await java.rest('PUT', `/connectors/${name}/config`, settings)
      }
      await requireAll()
      await ask(java, 'pause', ['source-one', 'sink-two'])
      await ask(java, 'stop', ['source-two', 'sink-one'])
      await requireStates(java, ['PAUSED', 'STOPPED', 'STOPPED', 'PAUSED'])
      await java.stop()
    },
    async 'millrace-keeps-paused-and-stopped'() {
      const ours = await place.startOurs()
      await requireStates(ours, ['PAUSED', 'STOPPED', 'STOPPED', 'PAUSED'])
      await requireQuiet()
      await ask(ours, 'resume', names)
      await requireStates(ours, ['RUNNING', 'RUNNING', 'RUNNING', 'RUNNING'])
      await requireAll()
      await ask(ours, 'stop', ['source-one', 'sink-two'])
      await ask(ours, 'pause', ['source-two', 'sink-one'])
      await requireStates(ours, ['STOPPED', 'PAUSED', 'PAUSED', 'STOPPED'])
      await ours.stop()
    },
    async 'java-keeps-paused-and-stopped'() {
      const java = await place.startJava()
      await requireStates(java, ['STOPPED', 'PAUSED', 'PAUSED', 'STOPPED'])
      await requireQuiet()
      await ask(java, 'resume', names)
      await requireAll()
      await java.stop()
    },
  }
}

const shown = ({ connector, tasks }: Status) => `${connector.state} ${tasks.map(each => each.state).join('+')}`

/**
 * Exactly-once consume–transform–produce against a whole broker that crashes, loses power, stands still and has a bad network.
 *
 * One seed decides everything: how many workers, which protocol generation each of their lives speaks, how they share the input, every
 * delay and every fault. Then the faults stop, the work must come to its end, and a checker that saw only what the clients saw judges it.
 */
import { createHash } from 'node:crypto'
import type { Logger } from '../../src/broker.ts'
import { Machine } from '../world/machine.ts'
import { Network } from '../world/network.ts'
import type { SeededRandom } from '../world/random.ts'
import { simulatedWorld, type World } from '../world/world.ts'
import { check, type Found } from './exactly-once-checker.ts'
import { committedPositions, logEnds, persist, produceInput, Reader, setUp, watchPositions } from './exactly-once-clients.ts'
import type { Plant } from './exactly-once-plants.ts'
import { type Assignment, inputTopic, longestDelayMs, nameOf, outputTopic, Stage } from './exactly-once-stage.ts'
import { Worker } from './exactly-once-worker.ts'
import { Finding } from './finding.ts'
import { Trouble } from './trouble.ts'

export interface ExactlyOnceOptions {
  seed: number
  /** Records of input. */
  inputs?: number
  /** A bug on purpose. */
  plant?: Plant
  /** What happened, when it ended badly. */
  log?: (line: string) => void
}

export interface ExactlyOnceResult {
  /** Of all that happened: two runs of a seed must agree. */
  trace: string
  history: readonly string[]
  crashes: number
  committed: number
  aborted: number
  records: number
  counts: ReadonlyMap<string, number>
}

const settings = {
  'offsets.topic.num.partitions': '2',
  'transaction.state.log.num.partitions': '2',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '400',
  'group.initial.rebalance.delay.ms': '100',
  'group.min.session.timeout.ms': '1000',
  'group.consumer.min.session.timeout.ms': '1000',
  'group.consumer.session.timeout.ms': '1500',
  'group.consumer.min.heartbeat.interval.ms': '100',
  'group.consumer.heartbeat.interval.ms': '300',
  'group.consumer.assignment.interval.ms': '50',
  'journal.file.bytes': '1048576',
  'journal.files': '2',
  'tail.bytes': '4194304',
  'log.free.bytes.floor': '0',
} as const

/** Throws a Finding when a promise was broken. */
export async function exactlyOnce(options: ExactlyOnceOptions): Promise<ExactlyOnceResult> {
  const world = simulatedWorld({ seed: options.seed })
  const run = new Run(world, options)
  try {
    await world.run(Promise.race([run.play(), run.stage.failure]))
  } catch (error) {
    for (const line of world.history) options.log?.(line)
    throw error
  } finally {
    run.uproot()
  }
  return run.result()
}

class Run {
  readonly stage: Stage
  readonly #world: World
  readonly #random: SeededRandom
  readonly #machine: Machine
  readonly #options: ExactlyOnceOptions
  readonly #slots: number
  readonly #crew: (Worker | null)[]
  /** Called when the worker in a slot is held up or killed, so that another takes its place. */
  readonly #replaced: (() => void)[] = []
  readonly #trouble: Trouble

  constructor(world: World, options: ExactlyOnceOptions) {
    const random = world.random
    this.#world = world
    this.#random = random
    this.#options = options
    const assignment = random.pick<Assignment>(['assigned', 'classic', 'consumer'])
    this.#slots = 2 + random.below(2)
    this.#crew = Array.from({ length: this.#slots }, () => null)
    const networkRandom = random.fork()
    const [requests, responses] = random.pick([
      [0, 0],
      [0.004, 0.004],
      [0.01, 0.02],
    ] as const)
    const network = new Network({
      clock: world.system.clock,
      timers: world.system.timers,
      random: networkRandom,
      latency: () => 0.1 + networkRandom.fraction() * (networkRandom.chance(0.02) ? 80 : 1.5),
      breaks: direction => !this.stage.healed && networkRandom.chance(direction === 'request' ? requests : responses),
    })
    this.stage = new Stage(world, network, { partitions: 2 + random.below(2), assignment })
    this.#machine = new Machine({ world, network, random: random.fork(), settings, logger: this.#logger() })
    this.#trouble = new Trouble({
      stage: this.stage,
      machine: this.#machine,
      random,
      plant: options.plant,
      disturb: chance => this.#disturbWorker(chance),
    })
  }

  async play(): Promise<void> {
    const { stage } = this
    const random = this.#random
    stage.world.note(`${stage.assignment}, ${this.#slots} workers, ${stage.partitions} partitions`)
    this.#background(this.#trouble.keepUp())
    await setUp(stage, random.fork())
    const readers = [new Reader(stage, random.fork(), 'rc', 'committed'), new Reader(stage, random.fork(), 'ru', 'uncommitted')]
    const following = readers.map(reader => this.#background(reader.follow()))
    following.push(this.#background(watchPositions(stage, random.fork())))
    for (let slot = 0; slot < this.#slots; slot++) this.#background(this.#staff(slot, random.fork()))
    const inputs = this.#options.inputs ?? 60
    const producing = [0, 1].map(index => this.#background(produceInput(stage, random.fork(), `p${index}`, inputs >> 1)))
    await this.#trouble.spoil(random.fork())
    await Promise.all(producing)
    // What a producer that died has left on the way is there by now.
    await stage.process().sleep(longestDelayMs)
    await this.#workDone()
    stage.over = true
    await Promise.all(following)
    await this.#readEverything(readers)
    await this.#trouble.shutDown()
    this.#judge()
  }

  result(): ExactlyOnceResult {
    const { history, counts } = this.stage
    const ended = (outcome: string) => history.transactions.filter(transaction => transaction.outcome === outcome).length
    const hash = createHash('sha256')
    for (const line of this.#world.history) hash.update(`${line}\n`)
    hash.update(JSON.stringify([history.sends, history.polls, history.offsetReads]))
    return {
      trace: hash.digest('hex'),
      history: this.#world.history,
      crashes: this.#machine.crashes,
      committed: ended('committed'),
      aborted: ended('aborted'),
      records: history.sends.length,
      counts,
    }
  }

  uproot(): void {
    this.#trouble.uproot()
  }

  /** What goes wrong in the background is the run's failure. */
  #background(work: Promise<void>): Promise<void> {
    work.catch(error => this.stage.fail(error))
    return work
  }

  #logger(): Logger {
    const quiet = () => {}
    const error = (details: object, message: string) => {
      const { err } = details as { err?: Error }
      this.stage.fail(new Finding(`the broker logged an error: ${message}: ${err?.stack ?? JSON.stringify(details)}`))
    }
    return {
      debug: quiet,
      info: quiet,
      warn: (details, message) => this.#world.note(`warn ${message} ${String((details as { err?: Error }).err?.message)}`),
      error,
    }
  }

  #disturbWorker(random: SeededRandom): void {
    const slot = random.below(this.#slots)
    const worker = this.#crew[slot]
    if (!worker) return
    const kill = random.chance(0.4)
    this.#world.note(`${kill ? 'kill' : 'pause'} worker ${slot}`)
    if (kill) worker.kill()
    else worker.process.pause(500 + random.fraction() * 4500)
    if (kill || random.chance(0.7)) this.#replaced[slot]?.()
  }

  // ---- the workers

  /** One life after the other under one transactional id; a predecessor may still be there, and come back as a zombie. */
  async #staff(slot: number, random: SeededRandom): Promise<void> {
    const { stage } = this
    const supervisor = stage.process()
    for (let life = 0; !stage.over; life++) {
      const modern = random.chance(0.65)
      const worker = new Worker({
        stage,
        random: random.fork(),
        name: `w${slot}.${life}`,
        transactionalId: `tx-${slot}`,
        slot,
        slots: this.#slots,
        modern,
        onStall: () => this.#replaced[slot]?.(),
      })
      this.#crew[slot] = worker
      stage.world.note(`worker ${slot} ${modern ? 'modern' : 'old'}`)
      const replaced = new Promise<void>(resolve => {
        this.#replaced[slot] = resolve
      })
      await Promise.race([this.#background(worker.run()), replaced])
      await supervisor.sleep(random.fraction() * 500)
    }
  }

  /** The group has committed all of the input. */
  async #workDone(): Promise<void> {
    const { stage } = this
    const process = stage.process()
    const wire = stage.wire(process, this.#random.fork())
    const ends = await logEnds(stage, process, wire, 0)
    const limit = stage.nowMs + 60_000
    await persist(
      stage,
      process,
      async () => {
        if (stage.nowMs > limit) stage.never('the work does not come to its end')
        const positions = await committedPositions(stage, wire, true)
        if (positions === null || positions.size < stage.partitions) return null
        const missing = [...positions].filter(([partition, position]) => Math.max(position, 0) < ends.get(nameOf(inputTopic, partition))!)
        return missing.length === 0 ? true : null
      },
      5000,
    )
    wire.close()
  }

  async #readEverything(readers: readonly Reader[]): Promise<void> {
    const { stage } = this
    const process = stage.process()
    const wire = stage.wire(process, this.#random.fork())
    // What the last transactions left open is aborted by their timeout.
    const ends = await logEnds(stage, process, wire, 0)
    for (const reader of readers) await reader.readUpTo(ends)
    for (const isolation of ['committed', 'uncommitted'] as const) {
      const reader = new Reader(stage, this.#random.fork(), `final-${isolation}`, isolation)
      const before = stage.history.polls.length
      await reader.readUpTo(ends)
      const found = stage.history.final[isolation]
      for (const partition of ends.keys()) found.set(partition, [])
      for (const { partition, records } of stage.history.polls.slice(before))
        found.get(partition)!.push(...records.map(([offset, value]): [number, string] => [offset, value]))
      reader.close()
    }
    for (const reader of readers) reader.close()
    wire.close()
  }

  #judge(): void {
    const names = (topic: string) => Array.from({ length: this.stage.partitions }, (_, partition) => nameOf(topic, partition))
    const found = check(this.stage.history, { inputs: names(inputTopic), outputs: names(outputTopic) })
    if (found.length > 0) throw new Finding(summary(found))
  }
}

function summary(found: readonly Found[]): string {
  const lines = found.slice(0, 8).map(({ anomaly, witness }) => `${anomaly}: ${witness}`)
  if (found.length > lines.length) lines.push(`… ${found.length} in all`)
  return lines.join('\n  ')
}

/**
 * How a row is measured: both peers are started and warmed, then come the rounds, A B A B. While one is measured the other is idle. Before
 * each measurement memory is probed (memory.ts); what was measured on dear memory is measured again.
 */
import { measureFloor } from './floor.ts'
import { costOf, pause } from './measure.ts'
import { dearMemory, probeMemory } from './memory.ts'
import { type Result, sentence, verdicts } from './report.ts'
import type { AnyRow, Measured, Peer, Side, Wanted } from './row.ts'

const warmth = { requests: 30_000, steps: 12, levelWithin: 0.1 }
const roundAttempts = 12

export interface Plan {
  readonly sides: readonly Side[]
  readonly rounds: number
  readonly scale: number
  /** What takes the place of each. */
  readonly peers: Readonly<Record<Side, Wanted>>
}

type Origin = Pick<Result, 'date' | 'commit' | 'machine'>

export async function measureRow(row: AnyRow, origin: Origin, plan: Plan): Promise<{ result: Result; failed: boolean }> {
  const result: Result = { name: row.name, settings: row.settings, ...origin, warmed: {}, millrace: [], kafka: [], floor: [] }
  const sides = plan.sides.filter(side => row.alone === undefined || plan.peers[side] !== 'kafka')
  const live = new Map<Side, Peer>()
  console.log(`\n${row.name}: ${row.settings}`)
  let failed = false
  try {
    if (row.cold === undefined)
      for (const side of sides) {
        const peer = await row.start(plan.peers[side])
        live.set(side, peer)
        result.warmed[side] = await warmUp(row, peer, plan.scale)
        console.log(`  ${side}: warm after ${result.warmed[side]} requests`)
      }
    for (let round = 1; round <= plan.rounds; round++) {
      for (const side of sides)
        result[side].push(await onCheapMemory(`round ${round}, ${side}`, plan, () => measureOnce(row, live.get(side) ?? null, side, plan)))
      if (row.goals.some(goal => goal.against === 'sink')) result.floor.push(await measureFloor(plan.scale === 1 ? 2e9 : 200e6))
    }
  } catch (error) {
    failed = true
    console.log(`  FAILED: ${(error as Error).message}`)
  } finally {
    for (const peer of live.values()) await peer.remove()
  }
  for (const verdict of verdicts(row, result)) console.log(sentence(verdict))
  return { result, failed }
}

let topics = 0

const stage = (broker: Peer, scale: number) => ({ broker, scale, topic: `bench-${++topics}` })

/** Returns how many requests it took. */
async function warmUp(row: AnyRow, peer: Peer, scale: number): Promise<number> {
  if (row.warm === undefined) return 0
  let requests = 0
  let last = Number.POSITIVE_INFINITY
  for (let step = 0; step < (row.warmSteps ?? warmth.steps); step++) {
    const { result, cost } = await costOf(peer.pid, () => row.warm!(stage(peer, scale)))
    requests += result
    const price = cost.cpuSeconds / result
    const level = Math.abs(price - last) <= warmth.levelWithin * price
    last = price
    if (level && requests >= warmth.requests * scale) break
  }
  return Math.round(requests)
}

async function measureOnce(row: AnyRow, live: Peer | null, side: Side, plan: Plan): Promise<Measured> {
  const peer = live ?? (await row.start(plan.peers[side]))
  try {
    return await row.measure(stage(peer, plan.scale))
  } finally {
    if (live === null) await peer.remove()
  }
}

/** Measures again, and says so, while memory is dear; gives up after some attempts. */
async function onCheapMemory(what: string, { scale }: Plan, measure: () => Promise<Measured>): Promise<Measured> {
  for (let attempt = 1; ; attempt++) {
    const before = probeMemory()
    // A quick run shows that it works, and waits for nothing.
    const isDear = scale === 1 && before > dearMemory
    if (isDear && attempt < roundAttempts) {
      console.log(`  ${what}: memory costs ${before.toFixed(2)} s/GB; waiting`)
      await pause(5000)
      continue
    }
    if (isDear) throw new Error(`memory costs ${before.toFixed(2)} s/GB (at most ${dearMemory}) after ${attempt} probes`)
    const measured = await measure()
    const list = JSON.stringify(measured, (_, value) => (typeof value === 'number' ? +value.toPrecision(4) : value))
    console.log(`  ${what}, memory ${before.toFixed(2)} s/GB: ${list}`)
    return { ...measured, memoryProbe: before }
  }
}

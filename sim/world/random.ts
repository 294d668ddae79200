/** Seeded randomness: the only source of every choice in a simulated run. */
import type { Random } from '../../src/base.ts'

export interface SeededRandom extends Random {
  /** In [0, 1). */
  fraction(): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** An independent stream, so that one part drawing more does not change another's choices. */
  fork(): SeededRandom
}

/** Mulberry32: 32 bits of state are plenty for telling runs apart, and it is the same on every machine. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const random: SeededRandom = {
    fill: buffer => {
      for (let index = 0; index < buffer.length; index++) buffer[index] = next() & 255
    },
    below: bound => Math.floor((next() / 2 ** 32) * bound),
    fraction: () => next() / 2 ** 32,
    chance: probability => next() / 2 ** 32 < probability,
    pick: items => items[random.below(items.length)]!,
    fork: () => seededRandom(next()),
  }
  return random
}

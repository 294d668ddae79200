/** Crashes of a simulated world: collected while it runs, and checked later, when it stands still. */
import type { Image } from '../world/disk.ts'
import { type Cut, cuts } from '../world/power-cut.ts'
import type { SeededRandom } from '../world/random.ts'
import type { World } from '../world/world.ts'

export interface Crash<Promised> {
  cut: Cut
  /** What was promised for the worst crash so far: after a power cut, a kill during recovery does not bring back what was lost. */
  survives: Cut
  image: Image
  promised: Promised
  seed: number
  depth: number
}

/** Cuts the power here in some of the possible ways. `promised` copies what has been promised so far. */
export function collect<Promised>(
  world: World,
  promised: () => Promised,
  into: Crash<Promised>[],
  options: { random: SeededRandom; probability: number; after?: Crash<Promised> },
): void {
  const { random, probability, after } = options
  for (const cut of cuts) {
    if (!random.chance(probability)) continue
    const survives = after === undefined || after.survives === 'process' ? cut : after.survives
    const image = world.disk.image(cut, random.fork())
    into.push({ cut, survives, image, promised: promised(), seed: random.below(2 ** 31), depth: (after?.depth ?? 0) + 1 })
  }
}

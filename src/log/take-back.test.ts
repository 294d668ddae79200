import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fault, type Step, TakeBackRun } from './take-back.testing.ts'

const alphabet: readonly Step[] = ['a', 'b', 'A', 'G', 'f', 'd', 't', 'e', 'r', 'l', 'w']

/** What can happen at an operation of the disk: it fails, once or from then on; then it works again, or the process dies at once. */
interface Mishap extends Omit<Fault, 'at'> {
  crash: boolean
}
const mishaps: readonly Mishap[] = (['nothing', 'half', 'all'] as const).flatMap(failure =>
  [false, true].flatMap(stays => [false, true].map(crash => ({ failure, stays, crash }))),
)

async function check(durability: 'os' | 'fsync', script: readonly Step[], at: number, mishap: Mishap | null): Promise<number> {
  try {
    const run = new TakeBackRun(durability)
    const operations = await run.run(script, mishap && { ...mishap, at })
    if (mishap?.crash) await run.crash(true)
    else await run.goOn()
    return operations
  } catch (error) {
    throw new Error(`${durability}, ${script.join('')}, ${at}, ${JSON.stringify(mishap)}: ${(error as Error).message}`, { cause: error })
  }
}

/** At every operation of the disk. `every`: so many mishaps are passed over from one to the next, others at each operation. */
async function checkFaults(durability: 'os' | 'fsync', script: string, every: number): Promise<number> {
  const steps = [...script] as Step[]
  const operations = await check(durability, steps, 0, null)
  let runs = 1
  for (let at = 0; at < operations; at++)
    for (let nth = (at + script.charCodeAt(0)) % every; nth < mishaps.length; nth += every, runs++)
      await check(durability, steps, at, mishaps[nth]!)
  return runs
}

for (const durability of ['os', 'fsync'] as const) {
  test(`${durability}: what a look-up or an eviction wants in a segment is not there after its group was refused`, async () => {
    for (const script of ['abt', 'abe', 'aebtw']) await checkFaults(durability, script, 1)
  })

  test(`${durability}: a retry of a refused batch is refused, whichever batch gets its offset`, async () => {
    for (const script of ['ad', 'adwbb', 'arbd', 'Adwb']) await checkFaults(durability, script, 1)
  })

  test(`${durability}: an append that failed leaves nothing to be undone later`, async () => {
    for (const script of ['Arb', 'Awba', 'AwrbA', 'alw', 'wl', 'rar', 'GGfG', 'aGbf', 'GarG', 'GdAf'])
      await checkFaults(durability, script, 1)
  })

  test(`${durability}: every script of two steps, with a failure at every operation of the disk`, async () => {
    let runs = 0
    for (const first of alphabet) for (const second of alphabet) runs += await checkFaults(durability, first + second, 11)
    assert.ok(runs > 300, `${runs} runs`)
  })
}

/** `npm run sim -- kill`: kills a real broker process under load with `kill -9` and restarts it, many times. No acknowledged record may be lost. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Load } from './kill/load.ts'
import { Victim } from './kill/victim.ts'
import { expectThat } from './scenarios/finding.ts'
import { seededRandom } from './world/random.ts'

const restartDeadlineMs = 10_000
const checkEvery = 10

export async function killLoop({
  seed,
  kills,
  settings = [],
}: {
  seed: number
  kills: number
  settings?: readonly string[]
}): Promise<void> {
  const random = seededRandom(seed)
  const directory = mkdtempSync(join(tmpdir(), 'millrace-kill-'))
  const victim = new Victim(directory, settings)
  let slowestMs = 0
  try {
    await victim.start()
    const load = new Load(random.fork(), () => victim.port)
    await load.start()
    for (let kill = 1; kill <= kills; kill++) {
      await Promise.race([sleep(100 + random.below(400)), load.broken])
      await victim.kill()
      const readyMs = await victim.start()
      slowestMs = Math.max(slowestMs, readyMs)
      expectThat(readyMs < restartDeadlineMs, `a restart after kill ${kill} took ${Math.round(readyMs)} ms`)
      if (kill % checkEvery === 0) await load.check()
    }
    await load.stop()
    await load.check()
    await victim.kill()
    console.log(
      `kill -9: ${kills} times (seed ${seed}), ${load.acknowledged.length} records acknowledged, none lost; slowest restart ${Math.round(slowestMs)} ms`,
    )
  } finally {
    victim.signal('SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

/**
 * What the table of `src/connectors/hostile` does with small servers, with real ones: at each turn of a sink's conversation with the server the connection breaks, before the server has heard
 * it or in the middle of its answer, or the answer does not come, or comes byte by byte. When the way is free again, each record must be there once.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SinkDefinition } from '../../src/connector.ts'
import { connectors } from '../../src/connectors.ts'
import { SinkDriver } from '../../test/support/connector-drivers.ts'
import { Front, type Mode } from '../../test/support/hostile-front.ts'
import type { Judge } from './systems/system.ts'

export interface Broken {
  readonly connector: string
  readonly port: number
  readonly speaksFirst?: boolean
  /** `port`: of the door; `ms`: how long the server may take. */
  config(port: number, ms: number): Readonly<Record<string, string>>
  /** As if the sink had never been there. */
  clean(): Promise<void>
  /** The numbers of the records of topic `t` that are there. */
  there(): Promise<number[]>
}

const modes: readonly Mode[] = ['reset', 'lost', 'hang', 'slow', 'refused']
const patienceMs = 700
const healingMs = 30_000

export function judgeBroken(judge: Judge, broken: Broken): Promise<void> {
  return judge('broken-connections', async () => {
    const turns = await run(broken, null, 0)
    let tried = 0
    const wrong: string[] = []
    for (const mode of modes)
      for (let after = 0; after < turns; after++) {
        try {
          await run(broken, mode, after)
          tried++
        } catch (error) {
          wrong.push(`${mode} at turn ${after}: ${(error as Error).message.split('\n')[0]}`)
        }
      }
    assert.deepEqual(wrong, [])
    return `${tried} breaks, at each of ${turns} turns`
  })
}

/** Resolves to the turns that it took. */
async function run(
  { connector, port, speaksFirst = false, config, clean, there }: Broken,
  mode: Mode | null,
  after: number,
): Promise<number> {
  await clean()
  const front = await Front.start(port)
  front.speaksFirst = speaksFirst
  const definition = (await connectors.find(({ name }) => name === connector)!.load()) as SinkDefinition
  const driver = new SinkDriver(definition, config(front.port, mode === 'hang' || mode === 'slow' ? patienceMs : 10_000))
  try {
    if (mode !== null) await front.turnHostile(mode, after)
    for (let attempt = 0; attempt < 2 && !(await driver.attempt()); attempt++);
    await front.heal()
    const endMs = performance.now() + healingMs
    while (!(await driver.attempt()))
      if (performance.now() > endMs) throw driver.errors.at(-1)!
      else await sleep(50)
    assert.deepEqual((await there()).sort(), [0, 1, 2])
    return front.turns
  } finally {
    await driver.close()
    await front.stop()
  }
}

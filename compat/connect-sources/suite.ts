/**
 * The sources of this package against real servers: `npm run compat -- connect-sources`. `COMPAT_SOURCES=s3,redis` runs these only; `COMPAT_SOURCE_RECORDS` is the
 * number of records, 60,000 by default. A `millrace connect` process reads each source and is killed with `kill -9` while it reads, and so is the source; then every
 * record must be in the topic: once, or at least once from MQTT.
 */
import { Missing } from '../support/cache.ts'
import type { Report, Suite } from '../support/suite.ts'
import { Stage } from './stage.ts'
import { httpSystem } from './systems/http.ts'
import { mqttSystem } from './systems/mqtt.ts'
import { redisSystem } from './systems/redis.ts'
import { s3System } from './systems/s3.ts'

/** A source with its cases. */
export interface System {
  readonly name: string
  /** Runs them; the server is there only meanwhile. May throw a Missing. */
  run(stage: Stage, judge: (name: string, work: () => Promise<string>) => Promise<void>): Promise<void>
}

const systems: readonly System[] = [s3System, httpSystem, redisSystem, mqttSystem]

export const connectSources: Suite = {
  folder: 'connect-sources',
  clients: systems.map(each => each.name),
  async run({ bootstrap }, report) {
    const wanted = process.env['COMPAT_SOURCES']?.split(',')
    const stage = await Stage.open(bootstrap)
    try {
      for (const system of systems)
        if (wanted === undefined || wanted.includes(system.name)) await runSystem(system, stage, report)
        else report({ client: system.name, name: 'all', outcome: 'skip', detail: 'not chosen (COMPAT_SOURCES)' })
    } finally {
      await stage.close()
    }
  },
}

/** One whose server cannot be had does not keep the others from running. */
async function runSystem({ name: client, run }: System, stage: Stage, report: Report): Promise<void> {
  try {
    await run(stage, async (name, work) => {
      try {
        report({ client, name, outcome: 'ok', detail: `(${await work()})` })
      } catch (error) {
        report({ client, name, outcome: 'FAIL', detail: (error as Error).message.replace(/\s+/g, ' ').slice(0, 600) })
      }
    })
  } catch (error) {
    report({ client, name: 'all', outcome: error instanceof Missing ? 'skip' : 'FAIL', detail: (error as Error).message })
  }
}

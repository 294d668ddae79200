/**
 * The sinks of this package against the real servers: `npm run compat -- connect-sinks`. `SINKS=s3,hdfs` runs these only; `SINK_RECORDS` is the number of
 * records in each of three partitions. Each sink is killed with `kill -9` while it writes, and so is its target; then every record must be there, once.
 */
import { Missing } from '../support/cache.ts'
import type { Report, Suite } from '../support/suite.ts'
import { mariadbSystem, postgresSystem, redisSystem } from './systems/databases.ts'
import { hbaseSystem, opentsdbSystem } from './systems/hbase.ts'
import { hdfsSystem } from './systems/hdfs.ts'
import { maxcomputeSystem } from './systems/maxcompute.ts'
import { mongodbSystem } from './systems/mongodb.ts'
import { s3System } from './systems/s3.ts'
import { searchSystems } from './systems/search.ts'
import type { System } from './systems/system.ts'

const systems: readonly System[] = [
  s3System,
  hdfsSystem,
  ...searchSystems,
  hbaseSystem,
  opentsdbSystem,
  maxcomputeSystem,
  postgresSystem,
  mariadbSystem,
  mongodbSystem,
  redisSystem,
]

export const connectSinks: Suite = {
  folder: 'connect-sinks',
  clients: systems.map(each => each.name),
  async run(_, report) {
    const wanted = process.env['SINKS']?.split(',')
    for (const system of systems) if (wanted === undefined || wanted.includes(system.name)) await runSystem(system, report)
  },
}

/** One whose server cannot be had does not keep the others from running. */
async function runSystem({ name: client, run }: System, report: Report): Promise<void> {
  try {
    await run(async (name, work) => {
      const began = performance.now()
      try {
        await work()
        report({ client, name, outcome: 'ok', detail: `(${Math.round(performance.now() - began)} ms)` })
      } catch (error) {
        report({ client, name, outcome: 'FAIL', detail: (error as Error).message.replace(/\s+/g, ' ').slice(0, 400) })
      }
    })
  } catch (error) {
    report({ client, name: 'all', outcome: error instanceof Missing ? 'skip' : 'FAIL', detail: (error as Error).message })
  }
}

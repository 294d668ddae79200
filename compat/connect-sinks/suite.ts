/**
 * The sinks of this package against the real servers: `npm run compat -- connect-sinks`. `COMPAT_SINKS=s3,hdfs` runs these only; `COMPAT_SINK_RECORDS` is the
 * number of records, a million by default. A `millrace connect` process runs each sink and is killed with `kill -9` while it writes, and so is its target; then
 * every record must be there, once.
 */
import { Missing } from '../support/cache.ts'
import type { Report, Suite } from '../support/suite.ts'
import { openStage, type Stage } from './stage.ts'
import { clickhouseSystem } from './systems/clickhouse.ts'
import { mariadbSystem, postgresSystem, redisSystem } from './systems/databases.ts'
import { hbaseSystem, opentsdbSystem } from './systems/hbase.ts'
import { hdfsSystem } from './systems/hdfs.ts'
import { httpSystem } from './systems/http.ts'
import { icebergSystem } from './systems/iceberg.ts'
import { kafkaSystem } from './systems/kafka.ts'
import { maxcomputeSystem } from './systems/maxcompute.ts'
import { mongodbSystem } from './systems/mongodb.ts'
import { s3System } from './systems/s3.ts'
import { searchSystems } from './systems/search.ts'
import type { System } from './systems/system.ts'

const systems: readonly System[] = [
  s3System,
  icebergSystem,
  hdfsSystem,
  ...searchSystems,
  hbaseSystem,
  opentsdbSystem,
  maxcomputeSystem,
  postgresSystem,
  mariadbSystem,
  mongodbSystem,
  redisSystem,
  clickhouseSystem,
  httpSystem,
  kafkaSystem,
]

export const connectSinks: Suite = {
  folder: 'connect-sinks',
  clients: systems.map(each => each.name),
  async run({ bootstrap }, report) {
    const wanted = process.env['COMPAT_SINKS']?.split(',')
    const stage = await openStage(bootstrap)
    try {
      for (const system of systems)
        if (wanted === undefined || wanted.includes(system.name)) await runSystem(system, stage, report)
        else report({ client: system.name, name: 'all', outcome: 'skip', detail: 'not chosen (COMPAT_SINKS)' })
    } finally {
      await stage.close()
    }
  },
}

/** One whose server cannot be had does not keep the others from running. */
async function runSystem({ name: client, run }: System, stage: Stage, report: Report): Promise<void> {
  try {
    await run(async (name, work) => {
      const began = performance.now()
      try {
        const told = (await work()) ?? `${Math.round(performance.now() - began)} ms`
        report({ client, name, outcome: 'ok', detail: `(${told})` })
      } catch (error) {
        report({ client, name, outcome: 'FAIL', detail: shortened((error as Error).message) })
      }
    }, stage)
  } catch (error) {
    report({ client, name: 'all', outcome: error instanceof Missing ? 'skip' : 'FAIL', detail: (error as Error).message })
  }
}

/** What was done stands at the beginning, and why it failed at the end. */
function shortened(message: string): string {
  const line = message.replace(/\s+/g, ' ')
  return line.length <= 700 ? line : `${line.slice(0, 250)} … ${line.slice(-450)}`
}

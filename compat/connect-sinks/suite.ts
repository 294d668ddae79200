/**
 * The sinks of this package against the real servers: `npm run compat -- connect-sinks`. `COMPAT_SINKS=s3,redis/each-once` runs only these systems and cases;
 * `COMPAT_SINK_RECORDS` is the number of records, a million by default. A `millrace connect` process runs each sink and is killed with `kill -9` while it writes,
 * and so is its target; then every record must be there, once.
 */
import type { Suite } from '../support/suite.ts'
import { runSystems } from '../support/systems.ts'
import { openStage } from './stage.ts'
import { clickhouseSystem } from './systems/clickhouse.ts'
import { mysqlSystems, postgresSystem, redisSystem } from './systems/databases.ts'
import { fileSystem } from './systems/file.ts'
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
  ...mysqlSystems,
  mongodbSystem,
  redisSystem,
  clickhouseSystem,
  httpSystem,
  kafkaSystem,
  fileSystem,
]

export const connectSinks: Suite = {
  folder: 'connect-sinks',
  clients: systems.map(each => each.name),
  async run({ bootstrap }, report) {
    const stage = await openStage(bootstrap)
    try {
      await runSystems(systems, stage, 'COMPAT_SINKS', report)
    } finally {
      await stage.close()
    }
  },
}

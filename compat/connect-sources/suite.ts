/**
 * The sources of this package against real servers: `npm run compat -- connect-sources`. `COMPAT_SOURCES=s3-source,redis-streams` runs these only; `COMPAT_SOURCE_RECORDS` is the
 * number of records, 60,000 by default. A `millrace connect` process reads each source and is killed with `kill -9` while it reads, and so is the source; then every
 * record must be in the topic: once, or at least once from MQTT.
 */
import type { Suite } from '../support/suite.ts'
import * as support from '../support/systems.ts'
import { Stage } from './stage.ts'
import { httpSystem } from './systems/http.ts'
import { mqttSystem } from './systems/mqtt.ts'
import { redisSystem } from './systems/redis.ts'
import { s3System } from './systems/s3.ts'

/** A source with its cases. */
export type System = support.System<Stage>

const systems: readonly System[] = [s3System, httpSystem, redisSystem, mqttSystem]

export const connectSources: Suite = {
  folder: 'connect-sources',
  clients: systems.map(each => each.name),
  async run({ bootstrap }, report) {
    const stage = await Stage.open(bootstrap)
    try {
      await support.runSystems(systems, stage, 'COMPAT_SOURCES', report)
    } finally {
      await stage.close()
    }
  },
}

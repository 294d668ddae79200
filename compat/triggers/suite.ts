/**
 * Function triggers over a real broker, with services in processes of their own: the three examples of docs/triggers.md, kills, and functions that mean
 * harm. `COMPAT_TRIGGERS_CASES=structure,kills` runs only the cases whose names begin with one of these words.
 *
 * Elasticsearch is started as compat/connect-sinks/peers.ts says; without it that case is skipped.
 */
import { openClient } from '../../src/client.ts'
import { Missing } from '../support/cache.ts'
import type { Suite } from '../support/suite.ts'
import { contents, elasticsearch, structure } from './examples.ts'
import { hostileFunctions } from './hostile.ts'
import { atLeastOnce, exactlyOnce, orderOfKeys, orphans } from './kills.ts'
import { Stage } from './stage.ts'

const client = 'triggers'
const cases = {
  structure,
  contents,
  elasticsearch,
  'kills-at-least-once': atLeastOnce,
  'kills-exactly-once': exactlyOnce,
  'kills-order-of-keys': orderOfKeys,
  'kills-orphans': orphans,
  hostile: hostileFunctions,
}

export const triggers: Suite = {
  folder: 'triggers',
  clients: [client],
  async run({ bootstrap }, report) {
    const words = process.env['COMPAT_TRIGGERS_CASES']?.split(',')
    const kafka = openClient({ bootstrap })
    const stage = new Stage(bootstrap, kafka)
    try {
      await stage.start()
      for (const [name, work] of Object.entries(cases)) {
        if (words?.some(word => name.startsWith(word)) === false) {
          report({ client, name, outcome: 'skip', detail: 'it is not among COMPAT_TRIGGERS_CASES' })
          continue
        }
        try {
          report({ client, name, outcome: 'ok', detail: await work(stage) })
        } catch (error) {
          report({ client, name, outcome: error instanceof Missing ? 'skip' : 'FAIL', detail: (error as Error).message })
        }
      }
    } finally {
      await stage.close()
      await kafka.close()
    }
  },
}

/** @platformatic/kafka, from our own node_modules. */
import { join } from 'node:path'
import { runSecured, type Suite } from '../support/suite.ts'

const client = '@platformatic/kafka'

export const platformatic: Suite = {
  folder: 'platformatic',
  clients: [client],
  run: (target, report) => runSecured(target, client, report, process.execPath, [join(import.meta.dirname, 'cases.ts')]),
}

/** kafkajs, from our own node_modules. */
import { join } from 'node:path'
import { runSecured, type Suite } from '../support/suite.ts'

export const kafkajs: Suite = {
  folder: 'kafkajs',
  clients: ['kafkajs'],
  run: (target, report) => runSecured(target, 'kafkajs', report, process.execPath, [join(import.meta.dirname, 'cases.ts')]),
}

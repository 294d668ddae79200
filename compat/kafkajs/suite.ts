/** kafkajs, from our own node_modules. */
import { join } from 'node:path'
import { runProgram, type Suite } from '../support/suite.ts'

export const kafkajs: Suite = {
  folder: 'kafkajs',
  clients: ['kafkajs'],
  run: ({ bootstrap }, report) => runProgram('kafkajs', report, process.execPath, [join(import.meta.dirname, 'cases.ts'), bootstrap]),
}

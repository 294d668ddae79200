/** kafkajs, from our own node_modules. */
import { join } from 'node:path'
import { runProgram, type Suite, securedEnvironment } from '../support/suite.ts'

export const kafkajs: Suite = {
  folder: 'kafkajs',
  clients: ['kafkajs'],
  async run(target, report) {
    const env = await securedEnvironment(target)
    await runProgram('kafkajs', report, process.execPath, [join(import.meta.dirname, 'cases.ts'), target.bootstrap], { env })
  },
}

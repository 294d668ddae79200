/** @platformatic/kafka, from our own node_modules. */
import { join } from 'node:path'
import { runProgram, type Suite, securedEnvironment } from '../support/suite.ts'

const client = '@platformatic/kafka'

export const platformatic: Suite = {
  folder: 'platformatic',
  clients: [client],
  async run(target, report) {
    const env = await securedEnvironment(target)
    await runProgram(client, report, process.execPath, [join(import.meta.dirname, 'cases.ts'), target.bootstrap], { env })
  },
}

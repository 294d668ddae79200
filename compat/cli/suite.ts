/** Our own command line, which is an ordinary client: against Millrace, and with `--kafka` against a real Kafka, over SASL_SSL. */
import { join } from 'node:path'
import { Missing } from '../support/cache.ts'
import { runProgram, type Suite, securedEnvironment } from '../support/suite.ts'

const client = 'millrace-cli'

export const cli: Suite = {
  folder: 'cli',
  clients: [client],
  async run(target, report) {
    const env = await securedEnvironment(target)
    if (Object.keys(env).length === 0) throw new Missing('needs a broker with TLS, SASL and an authorizer')
    await runProgram(client, report, process.execPath, [join(import.meta.dirname, 'cases.ts')], { env })
  },
}

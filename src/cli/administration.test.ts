import { after, before, describe, it } from 'node:test'
import { scenarios } from '../../test/support/cli-scenarios.ts'
import { type SecureBroker, startSecure } from '../../test/support/secure.ts'

describe('administration from the command line, over SASL_SSL', () => {
  let secure: SecureBroker
  before(async () => {
    secure = await startSecure({ 'offsets.topic.num.partitions': '2', 'transaction.state.log.num.partitions': '2' })
  })
  after(() => secure.close())

  for (const [name, scenario] of Object.entries(scenarios)) it(name, () => scenario(secure.subject))
})
